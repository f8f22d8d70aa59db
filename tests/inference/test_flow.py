"""Results that are handed on row by row while they are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clearvision.errors import EngineError, PictureWriteError
from clearvision.imaging.flow import AbandonedError, Flow
from clearvision.inference import enlarge
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture
from clearvision.zoo.checkpoint import Checkpoint

SPAN = {"feature_channels": 16, "num_block": 2, "upscale": 2, "skip": "bilinear", "img_range": 1.0}
PICTURE = Picture(np.random.default_rng(0).integers(0, 256, (130, 70, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def span(checkpoint_of: Callable[..., Checkpoint]) -> Checkpoint:
    return checkpoint_of("span", **SPAN)


class Notes:
    """Stands for a writer: notes what it is told, and what the rows that are final held at that moment."""

    def __init__(self) -> None:
        self.flows: list[Flow] = []
        self.told: list[tuple[int, np.ndarray[Any, Any]]] = []

    def begin(self, result: Picture) -> Flow:
        flow = Flow()
        reach = flow.reach

        def noted(rows: int) -> None:
            self.told.append((rows, result.pixels[:rows].copy()))
            reach(rows)

        flow.reach = noted  # type: ignore[method-assign]
        self.flows.append(flow)
        return flow


def test_rows_that_are_told_do_not_change_any_more(span: Checkpoint) -> None:
    notes = Notes()
    result, report = Upscaler(span, tile=32).run(PICTURE, begin=notes.begin)
    rows = [rows for rows, _ in notes.told]
    assert report.tiles > 6
    assert len(rows) > 3
    assert rows == sorted(rows)
    assert rows[-1] == 260
    for made, values in notes.told:
        np.testing.assert_array_equal(values, result.pixels[:made])


def test_the_last_row_waits_for_the_proof_of_the_tiles(span: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes()

    def judge(*_: object) -> None:
        assert notes.told[-1][0] == 259
        raise EngineError("the cuts show")

    monkeypatch.setattr(enlarge.Enlarger, "_judge", judge)
    with pytest.raises(EngineError, match="the cuts show"):
        Upscaler(span, tile=32, precision="f32").run(PICTURE, verify_tiles=True, begin=notes.begin)
    with pytest.raises(AbandonedError):
        notes.flows[-1].wait(1)


def test_a_picture_that_is_started_afresh_is_written_afresh(span: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    notes, rounds = Notes(), iter([True, False])
    original = enlarge.Enlarger._images

    def images(self: enlarge.Enlarger, pixels: Any, tiles: Any, engine: Any) -> Any:  # noqa: ANN401
        faulty = next(rounds)
        for index, image in enumerate(original(self, pixels, tiles, engine)):
            if faulty and index == 4:
                raise MemoryError
            yield image

    monkeypatch.setattr(enlarge.Enlarger, "_images", images)
    monkeypatch.setattr(enlarge, "LEAST_TILE", 16)
    result, report = Upscaler(span, tile=32).run(PICTURE, begin=notes.begin)
    assert len(report.retries) == 1
    assert len(notes.flows) == 2
    with pytest.raises(AbandonedError):
        notes.flows[0].wait(0)
    notes.flows[1].wait(260)
    np.testing.assert_array_equal(notes.told[-1][1], result.pixels)


def test_nobody_computes_on_for_a_file_that_cannot_be_written(span: Checkpoint) -> None:
    def begin(_: Picture) -> Flow:
        flow = Flow()
        flow.fail(PictureWriteError("the disk is full"))
        return flow

    with pytest.raises(PictureWriteError, match="the disk is full"):
        Upscaler(span, tile=32).run(PICTURE, begin=begin)


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({"lock": "colour", "tile": 32}, {}),
        ({"tileable": "both", "tile": 32}, {}),
        ({"normal_map": True, "tile": 32}, {}),
        ({"tile": 32}, {"scale": 1.5}),
        ({"tile": 32}, {"scale": 0.5}),
        ({}, {}),
    ],
)
def test_what_is_corrected_afterwards_or_made_at_once_is_not_handed_on(
    span: Checkpoint, options: dict[str, Any], wish: dict[str, float]
) -> None:
    notes = Notes()
    Upscaler(span, **options).run(PICTURE, begin=notes.begin, **wish)  # type: ignore[arg-type]
    assert notes.flows == []


def test_of_two_passes_the_second_is_handed_on(span: Checkpoint) -> None:
    notes = Notes()
    result, _ = Upscaler(span, tile=32).run(PICTURE, scale=4, begin=notes.begin)
    assert len(notes.flows) == 1
    np.testing.assert_array_equal(notes.told[-1][1], result.pixels)
