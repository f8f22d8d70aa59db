"""Degrading: one picture, exactly as files would be, or a batch on its device.

Only the batch, and pictures whose plan holds more than JPEG, WebP and MATLAB's bicubic, need PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearvision.degradations.draw import Plan, draw_plan
from clearvision.degradations.exact import apply_exact, is_exact
from clearvision.degradations.presets import Degradation, preset_from
from clearvision.errors import ImageShapeError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor


def degrade_picture(
    pixels: NDArray[np.uint8], degradation: Degradation, *, scale: int, seed: int, index: int = 0
) -> NDArray[np.uint8]:
    """Degrade one picture; the same arguments give the same bytes.

    JPEG and WebP go through their encoders and MATLAB's bicubic through :func:`clearvision.imaging.resize.resize`, each on the
    picture rounded to 8 bits, as if a file lay between the steps.

    Args:
        pixels: (H, W, 3) uint8 RGB, H and W multiples of the scale; it is not changed.
        degradation: the name of a preset, a preset, or steps.
        scale: how many times smaller the result is; 1 keeps the size.
        seed: with ``index``, decides every random number.
        index: which picture of the seed's sequence this is.

    Returns:
        (H / scale, W / scale, 3) uint8 RGB.

    Raises:
        ImageShapeError: if the array is not (H, W, 3) uint8 or its size no multiple of the scale.
        UsageError: if there is no such preset, or a number is outside what is allowed.
        MissingExtraError: if the plan needs PyTorch, which is not installed.
    """
    return degrade_by_plan(pixels, plan_picture(pixels, degradation, scale=scale, seed=seed, index=index))


def plan_picture(pixels: NDArray[np.uint8], degradation: Degradation, *, scale: int, seed: int, index: int = 0) -> Plan:
    """Return what :func:`degrade_picture` would do; see there."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ImageShapeError(f"degrading takes an (H, W, 3) array of uint8, got shape {pixels.shape} of {pixels.dtype}")
    height, width = pixels.shape[:2]
    return draw_plan(preset_from(degradation), seed=seed, index=index, height=height, width=width, scale=scale)


def degrade_by_plan(pixels: NDArray[np.uint8], plan: Plan) -> NDArray[np.uint8]:
    """Carry out a plan of :func:`plan_picture` on its picture.

    Raises:
        MissingExtraError: if the plan needs PyTorch, which is not installed.
    """
    if all(is_exact(operation) for operation in plan):
        for operation in plan:
            pixels = apply_exact(pixels, operation)
        return pixels
    needed = next(operation["step"] for operation in plan if not is_exact(operation))
    try:
        from clearvision.degradations.batched import from_bytes, run_plans, to_bytes
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clearvision"):
            raise
        raise MissingExtraError(f"the step '{needed}' needs PyTorch, not installed; pip install 'clearvision[torch]'") from error
    (image,) = run_plans([from_bytes(pixels[None])[0]], [plan], exact=True)
    return to_bytes(image[None])[0]


def degrade(
    batch: Tensor,
    degradation: Degradation,
    *,
    scale: int,
    seed: int,
    index: int = 0,
    share_sizes: int = 1,
    exact: bool = False,
) -> Tensor:
    """Degrade a batch on its device, every sample by numbers of its own.

    Sample i is a function of (seed, index + i), of its pixels and of the device, not of its neighbours: a batch cut in two
    gives the same to the last rounding. Gradients flow through all but noise (a constant there) and rounding (passed through).

    Args:
        batch: (B, 3, H, W), RGB, float32 in [0, 1], H and W multiples of the scale; it is not changed.
        degradation: the name of a preset, a preset, or steps.
        scale: how many times smaller the result is; 1 keeps the size.
        seed: with ``index``, decides every random number.
        index: number of the first sample; a loop passes how many samples came before.
        share_sizes: samples i with equal (index + i) // share_sizes go through the same sizes and so stay one array; more is
            faster on a GPU, less is more varied.
        exact: JPEG by libjpeg and MATLAB's bicubic on 8 bits, as :func:`degrade_picture`, on the processor and without gradients.
            A batch on the processor that needs no gradients has its JPEG from libjpeg in any case, which is faster there.

    Returns:
        (B, 3, H / scale, W / scale), RGB, float32 in [0, 1] at 8-bit levels.

    Raises:
        ImageShapeError: if the batch is not of that shape and type, or its size no multiple of the scale.
        UsageError: if there is no such preset, or a number is outside what is allowed.
    """
    import torch

    from clearvision.degradations.batched import run_plans

    if batch.ndim != 4 or batch.shape[1] != 3 or batch.dtype != torch.float32 or 0 in batch.shape:
        raise ImageShapeError(f"degrade takes a (B, 3, H, W) tensor of float32, got shape {tuple(batch.shape)} of {batch.dtype}")
    preset, (height, width) = preset_from(degradation), batch.shape[2:]
    plans = [
        draw_plan(preset, seed=seed, index=index + place, height=height, width=width, scale=scale, share_sizes=share_sizes)
        for place in range(len(batch))
    ]
    return torch.stack(run_plans(batch.unbind(), plans, exact=exact))
