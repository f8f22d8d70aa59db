"""A store of arrays in memory that stops taking more when its room is used up."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")

DEFAULT_ROOM = 512 << 20


class Store(Generic[T]):
    """Keeps values under keys while there is room; safe to use from several threads.

    Args:
        room: bytes that the values may take together.
    """

    def __init__(self, room: int = DEFAULT_ROOM) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._values: dict[str, T] = {}

    def keep(self, key: str, value: T, size: int) -> None:
        """Keep a value of ``size`` bytes, unless there is no room for it."""
        with self._lock:
            if key not in self._values and size <= self._room:
                self._room -= size
                self._values[key] = value

    def find(self, key: str) -> T | None:
        """Return a kept value, or None."""
        return self._values.get(key)
