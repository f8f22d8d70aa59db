"""Plans carried out on a batch: samples that do the same at the same size do it together, on their device."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

from clearvision.degradations.draw import Operation, Plan
from clearvision.degradations.exact import apply_exact, is_exact
from clearvision.degradations.jpeg import compress
from clearvision.degradations.kernels import DIRECT_UP_TO, filter_images, kernel_of, stack_kernels, trimmed
from clearvision.degradations.noise import add_noise, add_poisson
from clearvision.degradations.resize import resize_images
from clearvision.degradations.rounding import to_levels
from clearvision.degradations.steps import LARGEST_KERNEL


def run_plans(images: Sequence[Tensor], plans: Sequence[Plan], *, exact: bool) -> list[Tensor]:
    """Carry out one plan a sample, all plans of one length.

    Args:
        images: (3, h, w) each, sizes may differ; RGB, float32 in [0, 1].
        plans: one a sample.
        exact: MATLAB's bicubic on rounded 8-bit pictures and JPEG by libjpeg, on the processor and one by one, instead of the
            batched forms; without gradients. On the processor JPEG is libjpeg's anyway, unless gradients are asked for.

    Returns:
        (3, h, w) each, in [0, 1].
    """
    results = list(images)
    for operations in zip(*plans, strict=True):
        groups: dict[Hashable, list[int]] = {}
        for place, operation in enumerate(operations):
            if operation["step"] != "skip":
                groups.setdefault(_alike(operation, results[place]), []).append(place)
        for places in groups.values():
            group = [operations[place] for place in places]
            batch = torch.stack([results[place] for place in places])
            done = _as_files(batch, group) if _by_files(batch, group[0], exact) else _RUN[str(group[0]["step"])](batch, group)
            for place, image in zip(places, done.unbind(), strict=True):
                results[place] = image
    return results


def _by_files(batch: Tensor, operation: Operation, exact: bool) -> bool:
    """Whether encoders and exact resampling do the step: where that is wanted, and where it is the faster way."""
    plain = batch.device.type == "cpu" and not batch.requires_grad  # libjpeg takes a third of the arithmetic's time there
    return is_exact(operation) and (exact or operation["step"] == "webp" or (operation["step"] == "jpeg" and plain))


def _alike(operation: Operation, image: Tensor) -> Hashable:
    """Return what samples must share to be worked on together."""
    step = operation["step"]
    if step in _FILTERS:
        return "filter", image.shape
    if step == "resize":
        return step, image.shape, operation["height"], operation["width"], operation["mode"]
    return step, image.shape, operation.get("chroma")


def _filter(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    kernels = [trimmed(kernel_of(operation)) for operation in group]
    limits = _LIMITS if batch.device.type == "cpu" else _LIMITS[-1:]  # a GPU wants few calls, a processor few products
    results: dict[int, Tensor] = {}
    low = 0
    for limit in limits:
        places = [place for place, kernel in enumerate(kernels) if low < kernel.shape[0] <= limit]
        low = limit
        if places:
            some = batch if len(places) == len(batch) else batch[places]
            done = filter_images(some, stack_kernels([kernels[place] for place in places])).clamp(0, 1)
            results.update(zip(places, done.unbind(), strict=True))
    return torch.stack([results[place] for place in range(len(batch))])


def _resize(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    return resize_images(batch, group[0]["height"], group[0]["width"], group[0]["mode"])


def _jpeg(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    return compress(batch, [operation["quality"] for operation in group], chroma=group[0]["chroma"])


def _fill(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    return _column(batch, [operation["value"] / 255 for operation in group]).expand_as(batch)


def _banding(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    top = _column(batch, [operation["levels"] - 1 for operation in group])
    return to_levels(batch, top) / top


def _round(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    return to_levels(batch) / 255


def _patches(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    changed = []
    for image, operation in zip(batch, group, strict=True):
        (inside,) = run_plans([image], [tuple(operation["steps"])], exact=False)
        mask = torch.zeros_like(image[:1])
        for top, left, height, width in operation["boxes"]:
            mask[:, top : top + height, left : left + width] = 1
        changed.append(torch.where(mask > 0, inside, image))
    return torch.stack(changed)


def _as_files(batch: Tensor, group: Sequence[Operation]) -> Tensor:
    pixels = to_bytes(batch)
    done = np.stack([apply_exact(image, operation) for image, operation in zip(pixels, group, strict=True)])
    return from_bytes(done).to(batch.device)


def to_bytes(batch: Tensor) -> np.ndarray:
    """Clamp and round (B, 3, H, W) in [0, 1] to uint8 (B, H, W, 3)."""
    return to_levels(batch.detach()).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def from_bytes(pixels: np.ndarray) -> Tensor:
    """Return uint8 (B, H, W, 3) as float32 (B, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(torch.float32) / 255


def _column(batch: Tensor, values: Sequence[float]) -> Tensor:
    return batch.new_tensor(values)[:, None, None, None]


_LIMITS = (5, 7, 11, DIRECT_UP_TO, LARGEST_KERNEL)  # kernels up to each are filtered together
_FILTERS = frozenset({"blur", "sinc", "motion", "defocus", "box"})
_RUN: dict[str, Callable[[Tensor, Sequence[Operation]], Tensor]] = {
    **dict.fromkeys(_FILTERS, _filter),
    "noise": add_noise,
    "poisson": add_poisson,
    "resize": _resize,
    "jpeg": _jpeg,
    "fill": _fill,
    "banding": _banding,
    "round": _round,
    "patches": _patches,
}
