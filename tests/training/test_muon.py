"""Muon: against PyTorch's own on a matrix, against AdamW on the rest, and what counts as a matrix."""

from __future__ import annotations

import torch
from torch import nn

from clearvision.training.muon import Muon, orthogonalised


class Net(nn.Module):
    """A parameter of every sort, in the order matrix, kernel, depthwise kernel, biases, table."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.conv = nn.Conv2d(4, 8, 3)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.table = nn.Parameter(torch.zeros(5, 2))


def steps(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


def moved(decay: float, shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far three steps of ours and of PyTorch's Muon move the same matrix."""
    net = nn.Linear(shape[1], shape[0], bias=False)
    start = net.weight.detach().clone()
    theirs = nn.Parameter(start.clone())
    steps(Muon([net], lr=0.01, betas=(0.9, 0.99), weight_decay=decay), [net.weight], 3)
    steps(torch.optim.Muon([theirs], lr=0.01, weight_decay=decay, adjust_lr_fn="match_rms_adamw"), [theirs], 3)
    return net.weight.detach() - start, theirs.detach() - start


def test_matrices_move_as_by_pytorch_s_own() -> None:
    for decay, shape in ((0.0, (16, 24)), (0.1, (16, 24)), (0.0, (24, 16))):
        ours, theirs = moved(decay, shape)
        assert (ours - theirs).norm() < 0.03 * theirs.norm()  # theirs computes in bf16


def test_a_kernel_counts_as_a_matrix_with_a_row_for_each_output() -> None:
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(4, 8, 3, bias=False), nn.Linear(36, 8, bias=False)
    linear.weight.data = conv.weight.data.flatten(1).clone()
    for net in (conv, linear):
        steps(Muon([net], lr=0.01, betas=(0.9, 0.99), weight_decay=0.0), [net.weight], 2)
    torch.testing.assert_close(conv.weight.flatten(1), linear.weight)


def test_what_is_no_matrix_moves_as_by_adamw() -> None:
    torch.manual_seed(0)
    net, twin = Net(), Net()
    twin.load_state_dict(net.state_dict())
    steps(Muon([net], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1), list(net.parameters()), 4)
    steps(torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.1), list(twin.parameters()), 4)
    same = {name for name, value in net.named_parameters() if torch.allclose(value, twin.get_parameter(name), atol=1e-6)}
    assert same == {"linear.bias", "conv.bias", "depthwise.weight", "depthwise.bias", "table"}


def test_singular_values_come_near_one_and_vectors_stay() -> None:
    torch.manual_seed(0)
    for shape in ((2, 8, 40), (2, 40, 8)):
        matrices = torch.randn(shape)
        values = torch.linalg.svdvals(orthogonalised(matrices))
        assert 0.6 < values.min() < values.max() < 1.3
        u, _, v = torch.linalg.svd(matrices, full_matrices=False)
        inner = u.mT @ orthogonalised(matrices) @ v.mT
        assert (inner - torch.diag_embed(inner.diagonal(dim1=1, dim2=2))).abs().max() < 1e-4


def test_what_has_no_gradient_stays() -> None:
    net = Net()
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    net.conv.weight.grad = torch.randn_like(net.conv.weight)
    Muon([net], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1).step()
    assert [name for name, value in net.named_parameters() if not torch.equal(value, before[name])] == ["conv.weight"]
