"""What a training step minimises."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clearvision.losses.pixel import PIXEL_LOSSES
from clearvision.recipe import Train
from clearvision.training.state import TrainState


@dataclass(frozen=True)
class FidelityObjective:
    """Bring sr close to gt, pixel by pixel.

    Args:
        train: the recipe's section.
        loss: key of ``PIXEL_LOSSES``.
        device: where the network lives.
    """

    train: Train
    loss: str
    device: torch.device

    def step(self, state: TrainState, lq: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Update the network once; return loss and gradient norm as tensors, so that nothing waits for the device.

        Args:
            state: changed in place: network and optimiser.
            lq: (B, C, h, w), RGB in [0, 1].
            gt: (B, C, h * scale, w * scale), RGB in [0, 1].
        """
        state.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.train.precision == "bf16"):
            sr = state.net(lq)
        loss = PIXEL_LOSSES[self.loss](sr.float(), gt)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(state.net.parameters(), self.train.clip_norm or float("inf"))
        state.optimizer.step()
        return {"loss/g_pixel": loss.detach(), "grad_norm": norm}
