"""Fine-tuning: what follows from the run, or the file, that the weights are from."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.load import READERS
from alexnet_tf.models.pretrained.sources import is_address, published_preset
from alexnet_tf.models.specs import Dropout
from alexnet_tf.runs import fields, layout
from alexnet_tf.runs.recipe import Recipe, read_recipe

# The fields in which weights and the network that takes them must agree.
NETWORK = tuple(name for name, facts in fields.facts_of(Recipe).items() if facts.defines_network)


def source_run(weights: str) -> pathlib.Path | None:
    """The workdir of the run that weights are from; None if they are not a run's."""
    path = pathlib.Path(weights)
    path = path.parent if path.name == layout.WEIGHTS else path
    return path if (path / layout.RECIPE).is_file() else None


def source_statistics(recipe: Recipe) -> Statistics | None:
    """The `Statistics` of the run that a recipe's weights are from, if any.

    The pretrained layers expect inputs relative to its mean.
    """
    source = source_run(recipe.weights) if recipe.weights else None
    return Statistics.load(source / layout.STATISTICS) if source else None


def source_fields(weights: str, workdir: str | os.PathLike | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's fields that follow from the weights: those of the network that they were trained in.

    Args:
        weights: the recipe's `weights`.
        workdir: directory of the run to be trained; if it has begun with the same weights, their source may be gone.
        overrides: fields that the user asks for.

    Raises:
        UserError: if one of those contradicts the weights, or it is unknown which preset the weights are for.
    """
    source = source_run(weights)
    if source:
        recipe = read_recipe(source)
        _check_overrides(recipe, overrides, weights)
        return {**{name: getattr(recipe, name) for name in NETWORK}, "dropout": _dropout(recipe, overrides)}
    if workdir and (pathlib.Path(workdir) / layout.RECIPE).is_file():
        begun = read_recipe(workdir)
        if begun.weights == weights:
            return {name: getattr(begun, name) for name in (*NETWORK, "dropout")}
    if weights == "imagenet" or "preset" in overrides:
        return {}
    if not is_address(weights) and not pathlib.Path(weights).is_file():
        raise UserError(
            f"weights must be 'imagenet', a {', '.join(READERS)} file, its address, or the workdir of a run, got "
            f"{weights!r}"
        )
    preset = published_preset(weights)
    if preset is None:
        raise UserError(f"preset must be given for weights={weights!r}, whose name does not tell the network")
    return {"preset": preset}


def _check_overrides(recipe: Recipe, overrides: Mapping[str, Any], weights: str) -> None:
    """Raises UserError if a field of the network contradicts the recipe that the weights were trained with."""
    for name in NETWORK:
        value = recipe.resize_crop.crop if name == "image_size" else getattr(recipe, name)
        if name in overrides and overrides[name] != value:
            value = "the preset's" if value is None else value
            raise UserError(f"{name} must be {value}, as in the run of weights={weights!r}, got {overrides[name]}")


def _dropout(recipe: Recipe, overrides: Mapping[str, Any]) -> float | None:
    """The dropout rate for weights of a run: the preset's, with the scaling that they were trained with.

    An explicit rate scales in training (see `Recipe.network`), the paper's dropout in inference, so that the other
    would change the activations.
    """
    dropout = next((layer for layer in get_preset(recipe.preset).layers if isinstance(layer, Dropout)), None)
    if dropout is None:
        return None
    if recipe.dropout is not None:
        return dropout.rate
    if "dropout" in overrides and dropout.factor != 1:
        raise UserError(
            f"dropout must be left to preset {recipe.preset!r}, whose dropout scales activations differently from an "
            f"explicit rate, got {overrides['dropout']}"
        )
    return None
