"""The self-ensemble: a picture is enlarged in eight views, four turns and their mirror images, and the results are averaged.

Paper: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", CVPR 2016,
       https://arxiv.org/abs/1511.02228; called geometric self-ensemble in Lim et al. (EDSR), CVPRW 2017, section 3.4.
"""

from __future__ import annotations

import numpy as np

from clearvision.inference.engines import Batch, Engine, prepare, run_many

VIEWS = tuple((flip_y, flip_x, turned) for turned in (False, True) for flip_y in (False, True) for flip_x in (False, True))

View = tuple[bool, bool, bool]


class EnsembleEngine:
    """An engine that runs another one over eight views of every batch and averages the results in float32.

    It costs eight times as much. The views of a window fill the same window, so tiles stay as exact as they are without it.

    Args:
        engine: what runs the views; those turned by 90 degrees have height and width exchanged.

    Attributes:
        name: as the engine's.
        device: likewise.
        precision: likewise.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.device, self.precision = engine.name, engine.device, engine.precision

    def prepare(self, count: int, height: int, width: int) -> None:
        """As :func:`~clearvision.inference.engines.prepare`, for upright and for turned views."""
        prepare(self._engine, count, height, width)
        prepare(self._engine, count, width, height)

    def run(self, batch: Batch) -> Batch:
        """Map lq (B, C, h, w) to the average of eight results (B, C, h * scale, w * scale); raises as the engine's ``run``."""
        total: Batch | None = None
        views = (look(batch, view).copy(order="K") for view in VIEWS)  # PyTorch takes no array that runs backwards
        results = run_many(self._engine, views)
        for view, result in zip(VIEWS, results, strict=True):
            back = look_back(result, view)
            if total is None:
                total = np.zeros_like(back, dtype=np.float32)
            total += back
        assert total is not None
        total /= np.float32(len(VIEWS))
        return total


def look(batch: Batch, view: View) -> Batch:
    """Return a view of a batch (..., h, w): flipped, then turned by exchanging rows and columns; memory is shared."""
    flip_y, flip_x, turned = view
    seen = batch[..., :: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return seen.swapaxes(-1, -2) if turned else seen


def look_back(batch: Batch, view: View) -> Batch:
    """Undo :func:`look`."""
    flip_y, flip_x, turned = view
    upright = batch.swapaxes(-1, -2) if turned else batch
    return upright[..., :: -1 if flip_y else 1, :: -1 if flip_x else 1]
