"""Muon: matrices moved by their orthogonalised momentum, everything else by AdamW.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, https://kellerjordan.github.io/posts/muon/;
        Liu et al., "Muon is Scalable for LLM Training", 2025, https://arxiv.org/abs/2502.16982, section 2.2: the size of a step.
A convolution's kernel counts as the matrix (out, in * height * width). PyTorch's own Muon takes matrices only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
ROUNDS = 5
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # brings singular values from (0, 1] to about 0.7 to 1.2 in five rounds
RMS = 0.2  # of a step over its rate, that of AdamW's steps: one rate serves both
_EPS = 1e-8

_Matrix = nn.Linear | nn.Conv2d


class Muon(torch.optim.Optimizer):
    """Muon for the weights of convolutions and linear layers, AdamW for biases, norms, tables and depthwise kernels.

    Args:
        nets: whose learnable parameters are moved.
        lr: rate of both.
        betas: decay of AdamW's two moments; Muon's momentum is 0.95, in Nesterov's form.
        weight_decay: pull of the weights towards zero, apart from the gradient.
    """

    def __init__(self, nets: Iterable[nn.Module], *, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        nets = list(nets)
        layers = [layer for net in nets for layer in net.modules() if isinstance(layer, _Matrix)]
        matrices = {id(layer.weight) for layer in layers if not (isinstance(layer, nn.Conv2d) and layer.groups > 1)}
        parameters = [parameter for net in nets for parameter in net.parameters() if parameter.requires_grad]
        groups = [
            {"params": [parameter for parameter in parameters if (id(parameter) in matrices) is wanted], "matrices": wanted}
            for wanted in (True, False)
        ]
        super().__init__([group for group in groups if group["params"]], {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            learning = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in learning:
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
            if group["matrices"]:
                self._turn(learning, group["lr"])
            else:
                self._shift(learning, group["lr"], *group["betas"])

    def _turn(self, parameters: list[Tensor], rate: float) -> None:
        alike: defaultdict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter in parameters:
            state, grad = self.state[parameter], parameter.grad
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            momentum = state["momentum"].lerp_(grad, 1 - MOMENTUM)
            matrix = grad.lerp(momentum, MOMENTUM).flatten(1)  # type: ignore[union-attr]
            alike[matrix.shape[0], matrix.shape[1]].append((parameter, matrix))
        for shape, members in alike.items():
            moves = orthogonalised(torch.stack([matrix for _, matrix in members]))
            for (parameter, _), move in zip(members, moves, strict=True):
                parameter.sub_(move.reshape(parameter.shape), alpha=rate * RMS * max(shape) ** 0.5)

    def _shift(self, parameters: list[Tensor], rate: float, beta_1: float, beta_2: float) -> None:
        for parameter in parameters:
            state, grad = self.state[parameter], parameter.grad
            assert grad is not None
            if not state:
                state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
            state["step"] += 1
            mean = state["mean"].lerp_(grad, 1 - beta_1) / (1 - beta_1 ** state["step"])
            square = state["square"].lerp_(grad * grad, 1 - beta_2) / (1 - beta_2 ** state["step"])
            parameter.addcdiv_(mean, square.sqrt_().add_(_EPS), value=-rate)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return, for (N, rows, columns), matrices of the same singular vectors whose singular values are about 1."""
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    wide = wide / (wide.norm(dim=(1, 2), keepdim=True) + _EPS)
    a, b, c = NEWTON_SCHULZ
    for _ in range(ROUNDS):
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide if matrices.shape[1] <= matrices.shape[2] else wide.mT
