"""The discriminators of the catalogue against the networks whose state dicts they share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clearvision.archs import DISCRIMINATORS
from clearvision.archs.patchgan import NLayerDiscriminator
from clearvision.archs.spectral import SpectralConv2d
from clearvision.archs.unet_discriminator import UNetDiscriminatorSN
from clearvision.archs.vgg_discriminator import VGGStyleDiscriminator
from clearvision.errors import ImageShapeError, UsageError
from clearvision.losses.adversarial import r1_penalty

TINY: dict[str, Callable[[], nn.Module]] = {
    "vgg": lambda: VGGStyleDiscriminator(num_feat=2, num_level=3),
    "vgg, spectral": lambda: VGGStyleDiscriminator(
        num_feat=2, num_level=2, down_kernel=3, spectral_norm=True, norm="none", pooled=3
    ),
    "unet": lambda: UNetDiscriminatorSN(num_feat=2),
    "unet, no skips": lambda: UNetDiscriminatorSN(num_feat=2, skip_connection=False),
    "patchgan": lambda: NLayerDiscriminator(num_feat=2),
    "patchgan, batch": lambda: NLayerDiscriminator(num_feat=2, num_layer=2, norm="batch"),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Run tiny layers without a barrier of threads at each, which is slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=TINY)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return TINY[request.param]()


def test_every_discriminator_has_a_tiny_variant() -> None:
    assert {type(build()) for build in TINY.values()} == set(DISCRIMINATORS.values())


# --- what the papers and the official files say


@pytest.mark.parametrize(
    ("net", "options", "parameters"),
    [
        (VGGStyleDiscriminator, {}, 14_499_401),
        (VGGStyleDiscriminator, {"num_level": 6}, 21_055_049),
        (VGGStyleDiscriminator, {"num_level": 4, "down_kernel": 3, "pooled": 8, "num_hidden": 1024}, 38_243_713),
        (UNetDiscriminatorSN, {}, 4_376_897),
        (NLayerDiscriminator, {}, 2_764_737),
        (NLayerDiscriminator, {"norm": "batch"}, 2_765_633),
        (NLayerDiscriminator, {"num_layer": 2}, 662_977),
    ],
)
def test_parameter_count(net: type[nn.Module], options: dict[str, Any], parameters: int) -> None:
    # large networks of no memory; not the others, whose random weights PyTorch takes seconds to draw there
    with torch.device("meta" if net is VGGStyleDiscriminator else "cpu"):
        assert sum(parameter.numel() for parameter in net(**options).parameters()) == parameters


def test_vgg_keys_are_the_official_ones() -> None:
    normed = [f"{level}_{half}" for level in range(5) for half in (0, 1)][1:]
    expected = {f"bn{name}.{part}" for name in normed for part in ("weight", "bias", "running_mean", "running_var")}
    expected |= {f"bn{name}.num_batches_tracked" for name in normed} | {f"conv{name}.weight" for name in normed}
    expected |= {f"{layer}.{part}" for layer in ("conv0_0", "linear1", "linear2") for part in ("weight", "bias")}
    with torch.device("meta"):
        state = VGGStyleDiscriminator().state_dict()
    assert set(state) == expected
    assert state["conv4_1.weight"].shape == (512, 512, 4, 4)
    assert state["linear1.weight"].shape == (100, 8192)


def test_unet_keys_are_the_official_ones() -> None:
    expected = {f"conv{index}.{part}" for index in range(1, 9) for part in ("weight_orig", "weight_u", "weight_v")}
    expected |= {f"conv{index}.{part}" for index in (0, 9) for part in ("weight", "bias")}
    state = UNetDiscriminatorSN().state_dict()
    assert set(state) == expected
    assert state["conv4.weight_orig"].shape == (256, 512, 3, 3)
    assert (state["conv1.weight_u"].shape, state["conv1.weight_v"].shape) == ((128,), (64 * 16,))


def test_patchgan_keys_are_the_official_ones() -> None:
    convolutions = {f"model.{index}.{part}" for index in (0, 2, 5, 8, 11) for part in ("weight", "bias")}
    assert set(NLayerDiscriminator(num_feat=2).state_dict()) == convolutions
    norms = {
        f"model.{i}.{p}" for i in (3, 6, 9) for p in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    batch = set(NLayerDiscriminator(num_feat=2, norm="batch").state_dict())
    assert batch == (convolutions | norms) - {f"model.{index}.bias" for index in (2, 5, 8)}


def filled(net: nn.Module) -> nn.Module:
    """Give a network made-up weights, the same on every machine: uniform, of variance 2 / fan-in."""
    numbers = np.random.default_rng(7).random(100_003) - 0.5
    state = net.state_dict()
    for index, key in enumerate(sorted(state)):
        shape = tuple(state[key].shape)
        if not state[key].is_floating_point():
            continue
        spread = np.sqrt(24 / np.prod(shape[1:])) if len(shape) > 1 else 0.2
        centre = 1.0 if ("bn" in key or "running_var" in key) and key.endswith(("weight", "var")) else 0.0
        values = centre + spread * np.resize(np.roll(numbers, 997 * index), shape)
        if key.endswith(("_u", "_v")):
            values /= np.linalg.norm(values)
        state[key] = torch.from_numpy(values.astype(np.float32))
    net.load_state_dict(state)
    return net


def picture(height: int, width: int) -> Tensor:
    y, x, c = np.indices((height, width, 3))
    values = ((x * x + 3 * y * y + 40 * c) // 16 + x * y % 17 * 3) % 256
    return torch.from_numpy((values / 255).astype(np.float32)).permute(2, 0, 1)[None].contiguous()


@pytest.mark.parametrize(
    ("net", "side", "first", "mean", "deviation"),
    [
        # the reference implementations in training mode, with the same made-up weights
        (VGGStyleDiscriminator(num_feat=4), (128, 128), -0.41193127632141113, -0.12870070338249207, 0.40054851770401),
        (UNetDiscriminatorSN(num_feat=4), (32, 40), -0.10144176334142685, -0.006626364775002003, 0.06196263059973717),
        (
            UNetDiscriminatorSN(num_feat=4, skip_connection=False),
            (32, 40),
            *(-0.09368915110826492, -0.09113854914903641, 0.0019769167993217707),
        ),
        (NLayerDiscriminator(num_feat=4), (40, 32), 0.40260785818099976, 0.2695727050304413, 0.5460863709449768),
        (
            NLayerDiscriminator(num_feat=4, norm="batch", num_layer=4),
            (64, 64),
            *(-0.002550266683101654, -0.09007474035024643, 0.06457685679197311),
        ),
    ],
    ids=["vgg", "unet", "unet without skips", "patchgan", "patchgan with batch norm"],
)
def test_answers_of_the_references(net: nn.Module, side: tuple[int, int], first: float, mean: float, deviation: float) -> None:
    image = picture(*side)
    if isinstance(net, VGGStyleDiscriminator):
        image = torch.cat((image, image.flip(3)))
    with torch.no_grad():
        logits = filled(net).train()(image)
    found = [float(logits.flatten()[0]), float(logits.mean()), float(logits.std())]
    assert found == pytest.approx([first, mean, deviation], rel=1e-3, abs=1e-4)


def test_patchgan_sees_patches_of_70_pixels() -> None:
    net = NLayerDiscriminator(num_feat=2, norm="batch").eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
    image = torch.rand(1, 3, 160, 8 * 8, requires_grad=True)
    row = net(image)[0, 0, 9].sum()
    (gradient,) = torch.autograd.grad(row, image)
    assert int(gradient.abs().sum((0, 1, 3)).count_nonzero()) == 70


# --- what every discriminator must do


@pytest.mark.parametrize("side", [(24, 25), (31, 27), (33, 40)])
def test_any_size_gives_finite_logits(net: nn.Module, side: tuple[int, int]) -> None:
    logits = net(torch.rand(2, 3, *side))
    assert logits.isfinite().all()
    if isinstance(net, VGGStyleDiscriminator):
        assert logits.shape == (2, 1)
    elif isinstance(net, UNetDiscriminatorSN):
        assert logits.shape == (2, 1, *side)
    else:
        assert logits.shape[:2] == (2, 1)


def test_gradient_reaches_every_parameter_and_pixel(net: nn.Module) -> None:
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    net(image).square().sum().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []
    assert image.grad is not None
    assert image.grad.abs().sum((0, 1)).all()


def test_r1_reaches_the_weights(net: nn.Module) -> None:
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    penalty = r1_penalty(net(image), image)
    penalty.backward()
    assert float(penalty.detach()) > 0
    first = next(parameter for name, parameter in net.named_parameters() if name.endswith(("weight", "weight_orig")))
    assert first.grad is not None
    assert first.grad.any()


def test_real_and_fake_in_two_calls_before_one_backward(net: nn.Module) -> None:
    """The second call changes spectral vectors and running means in place; the first call's gradients must survive that."""
    real, fake = torch.rand(2, 3, 24, 24), torch.rand(2, 3, 24, 24)
    (net(real).mean() - net(fake).mean()).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_a_copy_and_a_reloaded_state_answer_alike(net: nn.Module) -> None:
    net(torch.rand(2, 3, 24, 24)).sum().backward()
    twin = copy.deepcopy(net)
    image = torch.rand(2, 3, 24, 24)
    with torch.no_grad():
        assert torch.equal(net(image), twin(image))
        twin.load_state_dict(net.state_dict())
        assert torch.equal(net(image), twin(image))


def test_autocast_and_channels_last(net: nn.Module) -> None:
    net.eval()
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = net(image)
        torch.testing.assert_close(net(image.to(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            low = net(image)
    assert float((low.float() - expected).abs().max()) < 0.1 * float(expected.abs().max()) + 0.05


@pytest.mark.parametrize(
    ("build", "side", "message"),
    [
        (TINY["unet"], (7, 9), "needs 8 pixels on each side, the picture has 9x7"),
        (TINY["vgg"], (9, 7), "of 3 levels needs 8 pixels on each side, the picture has 7x9; lower num_level"),
        (TINY["patchgan"], (23, 30), "needs 24 pixels on each side, the picture has 30x23"),
    ],
)
def test_pictures_that_are_too_small(build: Callable[[], nn.Module], side: tuple[int, int], message: str) -> None:
    with pytest.raises(ImageShapeError, match=message):
        build()(torch.rand(2, 3, *side))


@pytest.mark.parametrize("name", ["vgg", "unet", "patchgan"])
def test_the_smallest_picture_is_taken(name: str) -> None:
    side = {"vgg": 8, "unet": 8, "patchgan": 24}[name]
    assert TINY[name]()(torch.rand(2, 3, side, side)).isfinite().all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: VGGStyleDiscriminator(num_level=0), r"num_level \(0\) and pooled \(4\) .* must be at least 1"),
        (lambda: VGGStyleDiscriminator(down_kernel=5), r"down_kernel \(5\) of VGGStyleDiscriminator must be 3 or 4"),  # type: ignore[arg-type]
        (lambda: VGGStyleDiscriminator(norm="layer"), "unknown norm 'layer' of VGGStyleDiscriminator; known: batch, none"),  # type: ignore[arg-type]
        (lambda: NLayerDiscriminator(num_layer=0), r"num_layer \(0\) of NLayerDiscriminator must be at least 1"),
        (lambda: NLayerDiscriminator(norm="none"), "unknown norm 'none' of NLayerDiscriminator; known: instance, batch"),  # type: ignore[arg-type]
    ],
)
def test_refused_arguments(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()


# --- spectral normalisation


def test_the_largest_singular_value_becomes_one() -> None:
    conv = SpectralConv2d(5, 7, 3)
    with torch.no_grad():
        conv.weight_orig.mul_(20)
        for _ in range(50):
            conv(torch.rand(1, 5, 6, 6))
        largest = torch.linalg.matrix_norm(conv.normalised_weight().flatten(1), ord=2)
    assert float(largest) == pytest.approx(1, abs=1e-3)


def test_evaluation_does_not_change_the_estimate() -> None:
    conv = SpectralConv2d(2, 3, 3)
    before = {name: value.clone() for name, value in conv.state_dict().items()}
    conv.eval()(torch.rand(1, 2, 6, 6))
    assert all(torch.equal(before[name], value) for name, value in conv.state_dict().items())
    conv.train()(torch.rand(1, 2, 6, 6))
    assert not torch.equal(before["weight_u"], conv.weight_u)


def test_it_is_what_pytorch_does() -> None:
    """Same state dict, same outputs, same gradients, same estimates, step by step."""
    mine = SpectralConv2d(3, 4, 4, stride=2, padding=1)
    theirs = torch.nn.utils.spectral_norm(nn.Conv2d(3, 4, 4, stride=2, padding=1))
    theirs.load_state_dict(mine.state_dict())
    for _ in range(3):
        image = torch.rand(2, 3, 8, 8)
        a, b = mine(image), theirs(image)
        torch.testing.assert_close(a, b)
        ours = torch.autograd.grad(a.square().sum(), mine.weight_orig)
        torch.testing.assert_close(ours, torch.autograd.grad(b.square().sum(), theirs.get_parameter("weight_orig")))
    torch.testing.assert_close(mine.state_dict(), dict(theirs.state_dict()))


def test_gradient_of_the_normalised_weight() -> None:
    conv = SpectralConv2d(2, 2, 2).double().eval()
    image = torch.rand(1, 2, 3, 3, dtype=torch.float64)

    def answer(weight: Tensor) -> Tensor:
        return torch.func.functional_call(conv, {"weight_orig": weight}, (image,))

    assert torch.autograd.gradcheck(answer, conv.weight_orig.detach().clone().requires_grad_())
