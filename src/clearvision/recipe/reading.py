"""From a YAML file and overrides to a checked recipe, and from a recipe to its stages."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from clearvision.errors import RecipeError
from clearvision.recipe.objectives import Discriminator
from clearvision.recipe.whole import Recipe

BEST = "best.safetensors"


def load_recipe(path: Path, overrides: Sequence[str] = (), *, tiny: bool = False) -> Recipe:
    """Read a YAML recipe, apply ``key=value`` overrides with dotted keys, and check everything, stages too.

    Args:
        path: the file.
        overrides: each ``key=value``; keys such as ``train.phases.0.gt_size``; they hold in every stage and win over ``tiny``.
        tiny: apply the recipe's own ``tiny`` section, which shrinks the run to a trial.

    Raises:
        RecipeError: listing every fault, with the place of each.
    """
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe '{path}' cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe '{path}' is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(plain, dict):
        raise RecipeError(f"recipe '{path}' must be a mapping of sections, got {type(plain).__name__}")
    changes: list[tuple[str, Any]] = []
    if tiny:
        if not isinstance(plain.get("tiny"), dict):
            raise RecipeError(f"recipe '{path}' has no section 'tiny'; shrink it with --set train.total_steps=100 instead")
        changes += plain.pop("tiny").items()
    changes += map(_parsed, overrides)
    for key, value in changes:
        _set(plain, key, value)
    for stage in plain.get("stages") or ():
        if isinstance(stage, dict) and isinstance(stage.setdefault("set", {}), dict):
            for key, value in changes:
                if key.partition(".")[0] != "stages":
                    stage["set"].pop(key, None)  # so that it comes after the stage's own
                    stage["set"][key] = value
    recipe = recipe_from_plain(plain, str(path))
    stage_recipes(recipe)
    return recipe


def recipe_from_plain(plain: Mapping[str, Any], origin: str) -> Recipe:
    """Validate a recipe given as plain data; ``origin`` names it in errors.

    Raises:
        RecipeError: listing every fault, with the place of each.
    """
    try:
        return Recipe.model_validate(plain)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in fault['loc']) or 'recipe'}: {fault['msg']}" for fault in error.errors()]
        raise RecipeError(f"recipe '{origin}' has {len(faults)} fault(s): " + "; ".join(faults)) from error


def stage_recipes(recipe: Recipe, run: Path = Path()) -> list[tuple[str, Recipe]]:
    """Return each stage's name and complete recipe; a recipe without stages is its own only one, with an empty name.

    Args:
        recipe: what was read.
        run: the run's folder. A stage works in ``run/<name>`` and starts from the best weights of the one before it.

    Raises:
        RecipeError: naming the stage and its faults.
    """
    if not recipe.stages:
        return [("", recipe)]
    names = [stage.name for stage in recipe.stages]
    if len(set(names)) != len(names):
        raise RecipeError(f"stages must have different names, got {', '.join(names)}")
    base = recipe.model_dump(mode="json", exclude_unset=True, exclude={"stages", "tiny"})
    found: list[tuple[str, Recipe]] = []
    for index, stage in enumerate(recipe.stages):
        plain = _copy(base)
        if index:
            plain["init"] = str(run / names[index - 1] / BEST)
        for key, value in stage.set.items():
            _set(plain, key, value)
        found.append((stage.name, recipe_from_plain(plain, f"{recipe.name}, stage {stage.name}")))
    return found


def check_network(recipe: Recipe, archs: Mapping[str, type]) -> None:
    """Check ``network`` against the constructor's signature, which is its schema.

    Raises:
        RecipeError: for an unknown arch or argument, listing what is known.
    """
    arguments = {key: value for key, value in recipe.network.items() if key != "arch"}
    _check_arguments("network", recipe.network["arch"], arguments, archs)


def check_discriminator(discriminator: Discriminator, archs: Mapping[str, type]) -> None:
    """Check ``objective.discriminator`` as :func:`check_network` does ``network``.

    Raises:
        RecipeError: for an unknown arch or argument, listing what is known.
    """
    _check_arguments("objective.discriminator", discriminator.arch, discriminator.arguments, archs)


def _check_arguments(section: str, arch: str, arguments: Mapping[str, Any], archs: Mapping[str, type]) -> None:
    if arch not in archs:
        raise RecipeError(f"{section}: unknown arch '{arch}'; known: {', '.join(sorted(archs))}")
    known = [name for name in inspect.signature(archs[arch]).parameters if name != "self"]
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise RecipeError(f"{section}: {arch} has no argument {', '.join(map(repr, unknown))}; known: {', '.join(known)}")


def _parsed(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override '{override}' must read key=value, such as train.total_steps=1000")
    try:
        return key, yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"override '{override}': the value is not YAML ({' '.join(str(error).split())})") from error


def _set(plain: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - whatever YAML holds
    """Set one entry by its dotted key; sections that are missing are made, places in lists must exist."""
    *parents, last = key.split(".")
    place: Any = plain
    for parent in parents:
        place = place[_index(place, parent, key)] if isinstance(place, list) else place.setdefault(parent, {})
        if not isinstance(place, dict | list):
            raise RecipeError(f"override '{key}': '{parent}' is not a section of the recipe")
    if isinstance(place, list):
        place[_index(place, last, key)] = _copy(value)
    else:
        place[last] = _copy(value)


def _index(place: list[Any], text: str, key: str) -> int:
    if not text.isdigit() or int(text) >= len(place):
        raise RecipeError(f"override '{key}': '{text}' is no place in a list of {len(place)}; the first is 0")
    return int(text)


def _copy(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value
