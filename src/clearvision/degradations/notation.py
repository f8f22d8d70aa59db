"""Two ways to write a step down: as plain data in a recipe, and in a word on the command line.

``{step: noise, sigma: [1, 30], grey: 0.4}`` and ``noise:sigma=1..30,grey=0.4`` say the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from clearvision.degradations.steps import STEPS, Step
from clearvision.errors import UsageError


def step_to_data(step: Step) -> dict[str, Any]:
    """Return a step as plain data, without the fields that have their default."""
    data: dict[str, Any] = {"step": step.name}
    for item in fields(step):
        value = getattr(step, item.name)
        if item.default is MISSING or value != item.default:
            data[item.name] = _value_to_data(value)
    return data


def step_from_data(data: Any) -> Step:  # noqa: ANN401 - whatever a YAML file holds
    """Return the step that plain data describes.

    Args:
        data: ``{"step": name, field: value, ...}``; ranges are two-element lists, weighted words ``{word: weight}``.

    Raises:
        UsageError: if the step or a field is unknown, or a value is outside what is allowed.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("step"), str):
        raise UsageError(f"a step is written like {{step: noise, sigma: 25}}, not {data!r}")
    kind = STEPS.get(data["step"])
    if kind is None:
        raise UsageError(f"unknown step '{data['step']}'; known: {', '.join(STEPS)}")
    known = {item.name: item for item in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key == "step":
            continue
        if key not in known:
            raise UsageError(f"the step '{kind.name}' has no '{key}'; it has: {', '.join(known)}")
        values[str(key)] = _value_from_data(str(key), value)
    missing = [name for name, item in known.items() if item.default is MISSING and name not in values]
    if missing:
        raise UsageError(f"the step '{kind.name}' needs '{missing[0]}'")
    return kind(**values)


def parse_step(text: str) -> Step:
    """Return the step that a word such as ``noise:sigma=1..30,grey=0.4`` describes.

    Ranges are written ``low..high``, several words ``iso+aniso`` or with weights ``iso*3+aniso*1``. Steps that hold steps
    have no such form.

    Raises:
        UsageError: if the text is no step.
    """
    name, _, rest = text.strip().partition(":")
    data: dict[str, Any] = {"step": name.strip()}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise UsageError(f"'{part}' in the step '{text}' is not key=value; write a step like noise:sigma=25,grey=0.4")
        data[key.strip()] = _word_to_data(value.strip())
    if name.strip() in ("patches", "one-of", "shuffle"):
        raise UsageError(f"the step '{name.strip()}' holds other steps and can only be written in a YAML file")
    return step_from_data(data)


def _word_to_data(word: str) -> Any:  # noqa: ANN401
    low, dots, high = word.partition("..")
    if dots:
        return [low, high]
    if "+" not in word and "*" not in word:
        return word
    parts = [part.partition("*") for part in word.split("+")]
    return {name: weight or 1 for name, _, weight in parts}


def _value_from_data(key: str, value: Any) -> Any:  # noqa: ANN401
    if key == "steps" and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(step_from_data(item) for item in value)
    if key == "branches" and isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(branch, str | Mapping) or not isinstance(branch, Sequence) for branch in value):
            raise UsageError("one-of.branches is a list of lists of steps")
        return tuple(tuple(step_from_data(item) for item in branch) for branch in value)
    if isinstance(value, Mapping):
        return tuple((str(word), _lax(weight)) for word, weight in value.items())
    if isinstance(value, list):
        items = [_lax(item) for item in value]
        return tuple((word, 1) for word in items) if items and all(isinstance(word, str) for word in items) else tuple(items)
    return _lax(value)


def _lax(value: Any) -> Any:  # noqa: ANN401
    """Return a number for a text that is one: YAML takes ``1e-3`` for a text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _value_to_data(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Step):
        return step_to_data(value)
    if isinstance(value, tuple):
        if value and all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in value):
            return dict(value)
        return [_value_to_data(item) for item in value]
    return value
