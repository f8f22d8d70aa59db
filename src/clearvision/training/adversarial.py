"""A generator against a discriminator: SRGAN, ESRGAN, Real-ESRGAN and what lies between, by options.

Order of a step, after Goodfellow et al. 2014, algorithm 1, with one update each: the generator learns against a discriminator
that holds still, then the discriminator learns on the same pictures, detached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clearvision.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from clearvision.losses.inputs import displayed
from clearvision.recipe import Adversarial, Cycle
from clearvision.training.arithmetic import Arithmetic
from clearvision.training.balance import ACCURACY, FAKE, REAL
from clearvision.training.batches import Batch
from clearvision.training.objectives import Logs, mean_logs, total
from clearvision.training.state import TrainState
from clearvision.training.terms import Terms


@dataclass(frozen=True)
class AdversarialObjective:
    """Bring sr close to gt, and make it pass for real.

    Args:
        arithmetic: precision, scaling, clipping.
        terms: what is minimised besides the adversarial term.
        options: the recipe's section.
        net_g: the generator, compiled where the recipe says so.
        net_d: the discriminator, likewise.
    """

    arithmetic: Arithmetic
    terms: Terms
    options: Adversarial
    net_g: nn.Module
    net_d: nn.Module

    @property
    def columns(self) -> tuple[str, ...]:
        """What ``step`` may log."""
        judged = ("loss/g_gan", "loss/d_gan", *(("loss/d_r1",) if self.options.r1_weight else ()), REAL, FAKE, ACCURACY)
        return (*self.terms.names, *judged, "grad_norm", "grad_norm_d")

    def step(self, state: TrainState, batches: Sequence[Batch]) -> Logs:
        """Update the generator, then the discriminator."""
        acts = state.step >= self.options.start
        g_learns = not acts or state.step % self.options.g_every == 0
        logs: Logs = {}
        fakes = self._step_g(state, batches, logs, acts=acts) if g_learns else self._make(batches)
        if acts and state.step % self.options.d_every == 0:
            self._step_d(state, batches, fakes, logs)
        state.scaler.update()
        return logs

    def _make(self, batches: Sequence[Batch]) -> list[Tensor]:
        with torch.no_grad(), self.arithmetic.autocast():
            return [displayed(self.net_g(batch.lq).float()) for batch in batches]

    def _step_g(self, state: TrainState, batches: Sequence[Batch], logs: Logs, *, acts: bool) -> list[Tensor]:
        optimizer, rows, fakes = state.optimizers["g"], [], []
        optimizer.zero_grad(set_to_none=True)
        state.nets["d"].requires_grad_(False)
        for batch in batches:
            with self.arithmetic.autocast():
                sr = self.net_g(batch.lq).float()
            terms, shown = self.terms(sr, batch.gt), displayed(sr)
            if acts:
                with self.arithmetic.autocast():
                    fake = self.net_d(seen(shown, self.options))
                    real = None
                    if self.options.gan == "ragan":
                        with torch.no_grad():
                            real = self.net_d(seen(batch.real, self.options))
                terms["loss/g_gan"] = self.options.weight * generator_loss(self.options.gan, fake, real)
            self.arithmetic.backward(total(terms.values()) / len(batches))
            rows.append(terms)
            fakes.append(shown.detach())
        logs |= mean_logs(rows) | {"grad_norm": self.arithmetic.update(optimizer, [state.nets["g"]])}
        return fakes

    def _step_d(self, state: TrainState, batches: Sequence[Batch], fakes: Sequence[Tensor], logs: Logs) -> None:
        optimizer, rows = state.optimizers["d"], []
        optimizer.zero_grad(set_to_none=True)
        state.nets["d"].requires_grad_(True)
        for batch, fake in zip(batches, fakes, strict=True):
            loss, row = judge(self.arithmetic, self.options, state, "d", self.net_d, batch.real, fake)
            self.arithmetic.backward(loss / len(batches))
            rows.append(row)
        logs |= mean_logs(rows) | {"grad_norm_d": self.arithmetic.update(optimizer, [state.nets["d"]])}


def judge(
    arithmetic: Arithmetic,
    options: Adversarial | Cycle,
    state: TrainState,
    name: str,
    net_d: nn.Module,
    real: Tensor,
    fake: Tensor,
) -> tuple[Tensor, Logs]:
    """Return a discriminator's loss on real and made pictures (B, 3, H, W), and what is logged of it.

    Args:
        arithmetic: precision.
        options: kind of GAN, smoothing, noise, R1.
        state: for the step, and the network that is not compiled, which R1 differentiates twice.
        name: the network's name in the state.
        net_d: the network as it is run.
        real: pictures of the target domain.
        fake: made ones, detached.
    """
    with arithmetic.autocast():
        on_real, on_fake = net_d(seen(real, options)), net_d(seen(fake, options))
    loss = discriminator_loss(options.gan, on_real, on_fake, options.real_label)
    logs = {"loss/d_gan": loss, **verdict(options.gan, on_real.detach().float(), on_fake.detach().float())}
    if options.r1_weight and state.step % options.r1_every == 0:
        picture = real.detach().requires_grad_(True)
        penalty = r1_penalty(state.nets[name](picture), picture)  # in float32: it is a gradient of gradients
        logs["loss/d_r1"] = options.r1_weight / 2 * options.r1_every * penalty
        loss = loss + logs["loss/d_r1"]
    return loss, logs


def seen(picture: Tensor, options: Adversarial | Cycle) -> Tensor:
    """Return what a discriminator is shown: the picture, with noise where the recipe says so."""
    return picture + options.noise * torch.randn_like(picture) if options.noise else picture


def verdict(gan: str, real: Tensor, fake: Tensor) -> Logs:
    """Return the mean logits of real and made pictures, and the share judged rightly."""
    line_real, line_fake = (fake.mean(), real.mean()) if gan == "ragan" else (0.5, 0.5) if gan == "lsgan" else (0.0, 0.0)
    right = ((real > line_real).float().mean() + (fake < line_fake).float().mean()) / 2
    return {REAL: real.mean(), FAKE: fake.mean(), ACCURACY: right}
