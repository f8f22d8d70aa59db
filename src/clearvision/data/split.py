"""Which pictures are held out: by a hash of their names, by share, by list or by folder, whatever order they are listed in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from clearvision.data.layouts import Item, named
from clearvision.errors import DataError

Thing = TypeVar("Thing")


def split_by_count(things: Sequence[Thing], count: int, path_of: Callable[[Thing], Path]) -> tuple[list[Thing], list[Thing]]:
    """Hold out ``count`` by a hash of each file's name: stable when pictures are added or folders move.

    Raises:
        DataError: if nothing would be left to train on.
    """
    if count >= len(things):
        raise DataError(
            f"data.val_count ({count}) must be below the number of pictures ({len(things)}); lower it or add pictures"
        )
    ranked = sorted(things, key=lambda thing: (hashlib.sha256(path_of(thing).name.encode()).digest(), path_of(thing)))
    return _parted(things, set(map(path_of, ranked[:count])), path_of)


def split_by_share(
    things: Sequence[Thing], share: float, path_of: Callable[[Thing], Path], *, seed: int = 0
) -> tuple[list[Thing], list[Thing]]:
    """Hold out a share, rounded, at least one, by a hash of the seed and each file's name.

    Raises:
        DataError: if there are fewer than two.
    """
    if len(things) < 2:
        raise DataError(f"a split needs two pictures or more, got {len(things)}")
    count = min(max(1, round(len(things) * share)), len(things) - 1)
    salt = f"{seed}/".encode()
    ranked = sorted(things, key=lambda thing: (hashlib.sha256(salt + path_of(thing).name.encode()).digest(), path_of(thing)))
    return _parted(things, set(map(path_of, ranked[:count])), path_of)


def split_by_list(items: Sequence[Item], listing: Path) -> tuple[list[Item], list[Item]]:
    """Hold out the pictures that a text file names, one a line: by relative path, or by file name, with or without suffix.

    Empty lines and those that begin with ``#`` do not count.

    Raises:
        DataError: if the file cannot be read, a line fits no picture or several, or nothing would be left to train on.
    """
    try:
        lines = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list '{listing}' cannot be read ({error})") from error
    wanted = [line for line in lines if line and not line.startswith("#")]
    by_name: dict[str, list[Item]] = {}
    for item in items:
        path = Path(item.name)
        for key in {item.name, path.name, path.stem, path.with_suffix("").as_posix()}:
            by_name.setdefault(key, []).append(item)
    wrong = [line for line in wanted if len(by_name.get(line, ())) != 1]
    if wrong or not wanted:
        what = f"{named(wrong)} fit{'s' if len(wrong) == 1 else ''} no picture, or several" if wrong else "it is empty"
        raise DataError(f"the list '{listing}' does not fit the pictures: {what}")
    held_out = {by_name[line][0].gt for line in wanted}
    if len(held_out) == len(items):
        raise DataError(f"the list '{listing}' names every picture; nothing would be left to train on")
    return _parted(items, held_out, lambda item: item.gt)


def _parted(things: Sequence[Thing], held_out: set[Path], path_of: Callable[[Thing], Path]) -> tuple[list[Thing], list[Thing]]:
    train = [thing for thing in things if path_of(thing) not in held_out]
    return train, sorted((thing for thing in things if path_of(thing) in held_out), key=path_of)
