"""Fine-tuning: what follows from the run, or the file, that the weights are from."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError
from alexnet_tf.inference.manifest import MAX_SIDE
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.load import READERS, find_weights
from alexnet_tf.models.pretrained.packaged import PACKAGED
from alexnet_tf.models.pretrained.run_details import RunDetails
from alexnet_tf.models.pretrained.safetensors_file import read_details
from alexnet_tf.models.pretrained.sources import is_address, published_preset
from alexnet_tf.models.specs import Dropout
from alexnet_tf.runs import fields, layout
from alexnet_tf.runs.recipe import ADDED_FIELDS, Recipe, read_recipe
from alexnet_tf.runs.run import Run

# The fields in which weights and the network that takes them must agree.
NETWORK = tuple(name for name, facts in fields.facts_of(Recipe).items() if facts.defines_network)
# Weights that have a name. A directory of the same name is written with its path: ./cifar10.
NAMES = ("imagenet", *PACKAGED)
# All that the shape and the computation of a trained network follow from.
_DETAILS = (*NETWORK, "dropout")


def source_run(weights: str) -> pathlib.Path | None:
    """The workdir of the run that weights are from; None if it is not known."""
    if weights in NAMES:
        return None
    path = pathlib.Path(weights)
    path = path.parent if path.name == layout.WEIGHTS else path
    return path if (path / layout.RECIPE).is_file() else None


def network_fields(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that `RunDetails.network` holds as JSON."""
    return {name: getattr(recipe, name) for name in _DETAILS}


def run_details(run: Run) -> RunDetails:
    """What a weight file that is written from a run says of it."""
    needs_mean = isinstance(run.recipe.network.preprocessing.mean, str)
    mean_image = run.statistics.mean_image.astype(np.float32) if needs_mean else None
    recipe = dataclasses.asdict(run.recipe)
    return RunDetails({name: recipe[name] for name in _DETAILS}, run.class_names, mean_image)


def described_recipe(details: RunDetails, weights: str | os.PathLike) -> Recipe:
    """A recipe with the network that a weight file describes.

    Raises:
        UserError: if the fields are not those of a network, or have values that are not allowed, or the mean image does
            not belong to it.
    """
    network = {**{name: value for name, value in ADDED_FIELDS.items() if name in _DETAILS}, **details.network}
    if set(network) != set(_DETAILS):
        raise UserError(f"weights must describe a network by {', '.join(_DETAILS)}, got {str(weights)!r}")
    for name in ("image_size", "pool_size"):  # Whoever wrote the file must not keep us computing sizes for hours.
        value = network[name]
        if isinstance(value, int) and value > MAX_SIDE:
            raise UserError(f"weights must have {name} of at most {MAX_SIDE}, got {value!s:.30} in {str(weights)!r}")
    try:
        recipe = fields.from_json(Recipe, {**dataclasses.asdict(Recipe("weights")), **network})
    except UserError as error:
        raise UserError(f"weights must describe a network, got {str(weights)!r}: {error}") from error
    side, resize = 0 if details.mean_image is None else len(details.mean_image), recipe.resize_crop.resize
    if isinstance(recipe.network.preprocessing.mean, str) and side != resize:
        raise UserError(
            f"weights must have a mean image of {resize} by {resize} pixels for their network, got {str(weights)!r} "
            f"with {side} by {side}"
        )
    return recipe


def file_details(weights: str) -> RunDetails | None:
    """What a weight file says of the run that it is from; None if it says nothing, or weights are not a file's."""
    if not weights.partition("#")[0].endswith(".safetensors") and weights not in PACKAGED:
        return None
    return read_details(find_weights(weights, None))


def with_source_mean(statistics: Statistics, weights: str | None) -> Statistics:
    """The statistics of a training set, with the mean image of the pretrained weights if their file has one.

    The pretrained layers expect inputs relative to that mean.
    """
    details = file_details(weights) if weights else None
    if details is None or details.mean_image is None or details.mean_image.shape != statistics.mean_image.shape:
        return statistics
    return dataclasses.replace(statistics, mean_image=details.mean_image)


def has_source_mean(weights: str) -> bool:
    """Whether the mean image that is subtracted is that of the run or the file that weights are from."""
    if source_run(weights):
        return True
    if weights not in NAMES and not pathlib.Path(weights).is_file():  # Gone, when a run is resumed.
        return False
    details = file_details(weights)
    return details is not None and details.mean_image is not None


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
    recipe = _source_recipe(weights)
    if recipe:
        _check_overrides(recipe, overrides, weights)
        return {**network_fields(recipe), "dropout": _dropout(recipe, overrides)}
    if workdir and (pathlib.Path(workdir) / layout.RECIPE).is_file():
        begun = read_recipe(workdir)
        if begun.weights == weights:
            return network_fields(begun)
    if weights == "imagenet" or "preset" in overrides:
        return {}
    if not is_address(weights) and not pathlib.Path(weights).is_file():
        raise UserError(
            f"weights must be 'imagenet', 'cifar10', a {', '.join(READERS)} file, its address, or the workdir of a "
            f"run, got {weights!r}"
        )
    preset = published_preset(weights)
    if preset is None:
        raise UserError(f"preset must be given for weights={weights!r}, whose name does not tell the network")
    return {"preset": preset}


def _source_recipe(weights: str) -> Recipe | None:
    """A recipe with the network of weights that say which it is: those of a run, or of a file written from a run."""
    source = source_run(weights)
    if source:
        return read_recipe(source)
    if weights not in PACKAGED and not pathlib.Path(weights).is_file():
        return None
    details = file_details(weights)
    return described_recipe(details, weights) if details else None


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
