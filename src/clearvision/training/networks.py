"""The networks of a run: built from the recipe, started from a checkpoint, frozen in part."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

import torch
from torch import nn

from clearvision.archs import ARCHS, DISCRIMINATORS
from clearvision.errors import RecipeError, TrainingError
from clearvision.recipe import Adversarial, Cycle, Freeze, Recipe, check_discriminator, check_network
from clearvision.types import SizeRequirements
from clearvision.zoo.catalogue import find_model
from clearvision.zoo.checkpoint import read_checkpoint


def build_nets(recipe: Recipe, device: torch.device, *, start: bool) -> dict[str, nn.Module]:
    """Return the networks of the recipe's objective by name (see :class:`~clearvision.training.state.TrainState`).

    Args:
        recipe: the run; its seed decides the weights.
        device: where they go.
        start: load ``init``; a resumed run has its weights in its state.

    Raises:
        RecipeError: for an unknown network or argument, or sizes that do not fit it.
        TrainingError: if the checkpoint of ``init`` shares nothing with the network.
        ModelError: if that checkpoint cannot be read.
    """
    check_network(recipe, ARCHS)
    if isinstance(recipe.objective, Adversarial | Cycle):
        check_discriminator(recipe.objective.discriminator, DISCRIMINATORS)
    torch.manual_seed(recipe.seed)
    nets = {"g": _generator(recipe)}
    if recipe.objective.kind == "cycle":
        nets["g_back"] = _generator(recipe)
        nets["d_a"], nets["d_b"] = (_discriminator(recipe) for _ in "ab")
    elif recipe.objective.kind == "likelihood" and not hasattr(nets["g"], "loss"):
        raise RecipeError(f"objective likelihood needs a network with a likelihood: srflow, not {recipe.network['arch']}")
    elif recipe.objective.kind == "adversarial":
        nets["d"] = _discriminator(recipe)
    if recipe.init is not None and start:
        start_from(nets["g"], recipe.init)
    layout = torch.channels_last if recipe.train.channels_last else torch.preserve_format
    return {name: net.to(device, memory_format=layout) for name, net in nets.items()}  # type: ignore[call-overload]


def start_from(net: nn.Module, init: str) -> None:
    """Load the checkpoint's tensors that fit; the others keep their start values.

    Raises:
        TrainingError: if none fits.
        ModelError: if the file cannot be read.
    """
    weights = {name: torch.from_numpy(value) for name, value in read_checkpoint(find_model(init)).weights.items()}
    own = {name: value for name, value in net.state_dict().items() if value.is_floating_point()}
    learned = {name for name, value in net.named_parameters() if value.requires_grad} | dict(net.named_buffers()).keys()
    fitting = {
        name: value for name, value in weights.items() if name in own and name in learned and own[name].shape == value.shape
    }
    if not fitting:
        raise TrainingError(f"init '{init}' shares no tensor with the network; choose a checkpoint of the same architecture")
    net.load_state_dict(fitting, strict=False)


def learnable(net: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that the network itself lets learn; taken before anything is frozen."""
    return {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}


def freeze(parameters: Mapping[str, nn.Parameter], options: tuple[Freeze, ...], step: int) -> None:
    """Let exactly those parameters learn that no pattern freezes at a step."""
    active = [pattern for option in options if option.until is None or step < option.until for pattern in option.names]
    for name, parameter in parameters.items():
        parameter.requires_grad_(not any(fnmatchcase(name, pattern) for pattern in active))


def check_freeze(parameters: Mapping[str, nn.Parameter], options: tuple[Freeze, ...]) -> None:
    """Check that every pattern of ``train.freeze`` fits a parameter.

    Raises:
        RecipeError: naming the pattern and some parameters.
    """
    for pattern in (pattern for option in options for pattern in option.names):
        if not any(fnmatchcase(name, pattern) for name in parameters):
            some = ", ".join(list(parameters)[:4])
            raise RecipeError(f"train.freeze: '{pattern}' fits no parameter of the network; there are {some}, ...")


def check_sides(recipe: Recipe, whose: str, size: SizeRequirements) -> None:
    """Check that a network takes the lq crops of every phase.

    Raises:
        RecipeError: naming the phase, the network by ``whose``, and what it takes.
    """
    for index, phase in enumerate(recipe.train.phases):
        side = phase.gt_size // recipe.scale
        if side % size.multiple or side < size.minimum:
            raise RecipeError(
                f"train.phases.{index}.gt_size ({phase.gt_size}) gives lq of {side} pixels; {whose} takes multiples of "
                f"{size.multiple} from {size.minimum} on"
            )


def _generator(recipe: Recipe) -> nn.Module:
    net = _built("network", ARCHS, recipe.network["arch"], {key: value for key, value in recipe.network.items() if key != "arch"})
    facts = net.facts()  # type: ignore[operator]
    if facts.scale != recipe.scale:
        raise RecipeError(f"scale is {recipe.scale}, but the network of section 'network' enlarges by {facts.scale}")
    check_sides(recipe, f"network {recipe.network['arch']}", facts.size)
    return net


def _discriminator(recipe: Recipe) -> nn.Module:
    assert isinstance(recipe.objective, Adversarial | Cycle)
    options = recipe.objective.discriminator
    return _built("objective.discriminator", DISCRIMINATORS, options.arch, options.arguments)


def _built(section: str, archs: Mapping[str, type[nn.Module]], arch: str, arguments: dict) -> nn.Module:
    try:
        return archs[arch](**arguments)
    except (TypeError, ValueError) as error:  # an argument of a wrong type or value, or one that is missing
        raise RecipeError(f"{section}: {arch} cannot be built: {' '.join(str(error).split())}") from error
