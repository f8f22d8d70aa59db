"""What training between two unpaired sets of pictures needs besides adversarial losses.

Papers: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
        https://arxiv.org/abs/1703.10593 -- section 3.2 (cycle), section 5.2 (identity); Shrivastava et al., "Learning from
        Simulated and Unsupervised Images through Adversarial Training", CVPR 2017, section 2.3 (the pool of pictures).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from clearvision.errors import ImageShapeError, UsageError
from clearvision.losses.pixel import l1

POOL_SIZE = 50  # CycleGAN, section 4

Compare = Callable[[Tensor, Tensor], Tensor]


def cycle_loss(a: Tensor, a_again: Tensor, b: Tensor, b_again: Tensor, compare: Compare = l1) -> Tensor:
    """Return how far pictures come back from a round trip: A to B to A, plus B to A to B (equation 2; weight 10 there).

    Args:
        a: (B, C, H, W), of the first domain.
        a_again: ``to_a(to_b(a))``.
        b: of the second domain.
        b_again: ``to_b(to_a(b))``.
        compare: the loss between a picture and its return; L1 in the paper.
    """
    return compare(a_again, a) + compare(b_again, b)


def identity_loss(a: Tensor, a_to_a: Tensor, b: Tensor, b_to_b: Tensor, compare: Compare = l1) -> Tensor:
    """Return how much each generator changes a picture that is in its target domain already (weight 0.5 * 10 in section 5.2).

    Args:
        a: (B, C, H, W), of the first domain.
        a_to_a: ``to_a(a)``.
        b: of the second domain.
        b_to_b: ``to_b(b)``.
        compare: the loss between the two; L1 in the paper.
    """
    return compare(a_to_a, a) + compare(b_to_b, b)


class ImagePool:
    """Generated pictures of earlier steps, shown to a discriminator so that it does not forget them.

    Until it is full, a picture asked for is kept and given back. Then it is, with even odds, either given back or swapped for
    a kept one. Draws depend on the seed and on the number of pictures seen alone, so that a resumed run is the same.

    Args:
        size: pictures kept; 0 gives every picture back.
        seed: of the draws; processes of one run should have different ones.

    Raises:
        UsageError: if size is negative.
    """

    def __init__(self, size: int = POOL_SIZE, *, seed: int = 0) -> None:
        if size < 0:
            raise UsageError(f"size ({size}) of ImagePool must not be negative")
        self._size, self._seed = size, seed
        self._seen = 0
        self._kept: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """Return as many pictures as images (B, C, H, W) has, detached, some of them from earlier calls.

        Raises:
            ImageShapeError: if they have another shape than those kept.
        """
        images = images.detach()
        if self._size == 0:
            return images
        if self._kept and self._kept[0].shape != images.shape[1:]:
            raise ImageShapeError(
                f"the pool keeps pictures of shape {tuple(self._kept[0].shape)}, these have {tuple(images.shape[1:])}"
            )
        return torch.stack([self._swapped(image) for image in images])

    def state_dict(self) -> dict[str, Tensor]:
        """Return the number of pictures seen and those kept, (n, C, H, W)."""
        kept = torch.stack(self._kept) if self._kept else torch.empty(0)
        return {"seen": torch.tensor(self._seen), "images": kept}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from another pool's :meth:`state_dict`.

        Raises:
            UsageError: if more pictures were kept than this pool may.
        """
        if len(state["images"]) > self._size:
            raise UsageError(f"the saved pool holds {len(state['images'])} pictures, this one has size {self._size}")
        self._seen = int(state["seen"])
        self._kept = [image.clone() for image in state["images"]]

    def _swapped(self, image: Tensor) -> Tensor:
        rng = np.random.default_rng((self._seed, self._seen))
        self._seen += 1
        if len(self._kept) < self._size:
            self._kept.append(image.clone())
            return image
        if rng.random() < 0.5:
            return image
        index = int(rng.integers(self._size))
        old = self._kept[index].to(image.device)
        self._kept[index] = image.clone()
        return old
