"""Two generators between two unpaired domains, each against a discriminator of its own: CycleGAN.

Paper: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
       https://arxiv.org/abs/1703.10593 -- equations 1 to 3; pool and halved discriminator loss of section 4, identity of 5.2.

``lq`` of a batch is a picture of domain A, ``gt`` one of domain B. ``g`` maps A to B and is what ships, ``g_back`` B to A;
``d_b`` judges pictures of B, ``d_a`` those of A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clearvision.losses.adversarial import generator_loss
from clearvision.losses.cycle import cycle_loss, identity_loss
from clearvision.recipe import Cycle
from clearvision.training.adversarial import judge, seen
from clearvision.training.arithmetic import Arithmetic
from clearvision.training.balance import ACCURACY, FAKE, REAL
from clearvision.training.batches import Batch
from clearvision.training.objectives import Logs, mean_logs, total
from clearvision.training.state import TrainState
from clearvision.training.terms import Terms

IDENTITY = "loss/g_identity"


@dataclass(frozen=True)
class CycleObjective:
    """Make pictures of A pass for B and the reverse, so that each comes back unharmed from the round trip.

    Args:
        arithmetic: precision, scaling, clipping.
        terms: how a picture is compared with its return.
        options: the recipe's section.
        nets: all four, compiled where the recipe says so.
    """

    arithmetic: Arithmetic
    terms: Terms
    options: Cycle
    nets: dict[str, nn.Module]

    @property
    def columns(self) -> tuple[str, ...]:
        """What ``step`` may log."""
        names = ("loss/g_gan", *((IDENTITY,) if self.options.identity_weight else ()), "loss/d_gan")
        names += ("loss/d_r1",) if self.options.r1_weight else ()
        return (*self.terms.names, *names, REAL, FAKE, ACCURACY, "grad_norm", "grad_norm_d")

    def step(self, state: TrainState, batches: Sequence[Batch]) -> Logs:
        """Update both generators, then both discriminators."""
        logs: Logs = {}
        fakes = self._step_g(state, batches, logs, learns=state.step % self.options.g_every == 0)
        if state.step % self.options.d_every == 0:
            self._step_d(state, batches, fakes, logs)
        state.scaler.update()
        return logs

    def _step_g(self, state: TrainState, batches: Sequence[Batch], logs: Logs, *, learns: bool) -> list[tuple[Tensor, Tensor]]:
        optimizer, rows, fakes = state.optimizers["g"], [], []
        optimizer.zero_grad(set_to_none=True)
        for name in ("d_a", "d_b"):
            state.nets[name].requires_grad_(False)
        for batch in batches:
            with torch.set_grad_enabled(learns):
                terms, made = self._generated(batch.lq, batch.gt)
            if learns:
                self.arithmetic.backward(total(terms.values()) / len(batches))
            rows.append(terms)
            fakes.append(made)
        logs |= mean_logs(rows)
        if learns:
            logs["grad_norm"] = self.arithmetic.update(optimizer, [state.nets["g"], state.nets["g_back"]])
        return fakes

    def _generated(self, a: Tensor, b: Tensor) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
        """Return the weighted terms of the generators, and the pictures (made A, made B), detached."""
        options, nets = self.options, self.nets
        with self.arithmetic.autocast():
            made_b, made_a = nets["g"](a), nets["g_back"](b)
            a_again, b_again = nets["g_back"](made_b), nets["g"](made_a)
            judged_b, judged_a = nets["d_b"](seen(made_b, options)), nets["d_a"](seen(made_a, options))
            real_b = real_a = None
            if options.gan == "ragan":
                real_b, real_a = nets["d_b"](seen(b, options)).detach(), nets["d_a"](seen(a, options)).detach()
        terms = {
            name: options.cycle_weight * cycle_loss(a, a_again.float(), b, b_again.float(), term)
            for name, term in self.terms.weighted.items()
        }
        fooled = generator_loss(options.gan, judged_b, real_b) + generator_loss(options.gan, judged_a, real_a)
        terms["loss/g_gan"] = options.weight * fooled
        if options.identity_weight:
            with self.arithmetic.autocast():
                b_same, a_same = nets["g"](b), nets["g_back"](a)
            terms[IDENTITY] = options.identity_weight * identity_loss(a, a_same.float(), b, b_same.float())
        return terms, (made_a.detach().float(), made_b.detach().float())

    def _step_d(self, state: TrainState, batches: Sequence[Batch], fakes: Sequence[tuple[Tensor, Tensor]], logs: Logs) -> None:
        optimizer, rows = state.optimizers["d"], []
        optimizer.zero_grad(set_to_none=True)
        for name in ("d_a", "d_b"):
            state.nets[name].requires_grad_(True)
        for batch, (made_a, made_b) in zip(batches, fakes, strict=True):
            for name, real, made in (("d_a", batch.lq, made_a), ("d_b", batch.gt, made_b)):
                shown = state.pools[name[-1]].query(made)
                loss, row = judge(self.arithmetic, self.options, state, name, self.nets[name], real, shown)
                self.arithmetic.backward(loss / len(batches))
                rows.append(row)
        logs |= mean_logs(rows) | {"grad_norm_d": self.arithmetic.update(optimizer, [state.nets["d_a"], state.nets["d_b"]])}
