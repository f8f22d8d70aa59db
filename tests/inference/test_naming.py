"""Results are called the same in every front end."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearvision.errors import UsageError
from clearvision.inference.naming import result_suffix, size_label

NONE = {"scale": None, "width": None, "height": None, "megapixels": None}


@pytest.mark.parametrize(
    ("wish", "label"),
    [
        ({}, "_x4"),
        ({"scale": 2.5}, "_x2.5"),
        ({"width": 800}, "_800w"),
        ({"height": 600}, "_600h"),
        ({"megapixels": 1.5}, "_1.5mp"),
    ],
)
def test_label_tells_the_wished_size(wish: dict[str, float], label: str) -> None:
    assert size_label({**NONE, **wish}, 4) == label


def test_label_refuses_what_suits_no_picture() -> None:
    with pytest.raises(UsageError, match=r"scale \(17\) must be above 0 and at most 16"):
        size_label({**NONE, "scale": 17}, 4)


@pytest.mark.parametrize(
    ("name", "format", "suffix"),
    [
        ("a.JPG", None, ".JPG"),
        ("a.jpg", "jpeg", ".jpg"),
        ("a.jpg", "png", ".png"),
        ("a.ico", None, ".png"),
        ("a", None, ".png"),
        ("a.gif", None, ".png"),
        ("a.gif", "gif", ".gif"),
    ],
)
def test_suffix_is_the_inputs_where_it_can_be_written(name: str, format: str | None, suffix: str) -> None:
    assert result_suffix(Path(name), format) == suffix
