"""A trained network from weights alone: published, packaged, or in a file, without the run that they are from."""

import os
import pathlib
import warnings
from typing import NamedTuple

import keras
import numpy as np

from alexnet_tf.data.images import central_crop
from alexnet_tf.data.sources import check_class_names
from alexnet_tf.errors import UserError
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.models.cost import stages
from alexnet_tf.models.pretrained.fit import WeightsWarning, fit
from alexnet_tf.models.pretrained.imagenet import imagenet_classes, packaged_details
from alexnet_tf.models.pretrained.load import find_weights, read_weights
from alexnet_tf.models.pretrained.run_details import RunDetails
from alexnet_tf.models.pretrained.sources import published_preset
from alexnet_tf.models.pretrained.weight_file import WeightFile
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.run import build_model
from alexnet_tf.runs.source import described_recipe

# Of the published weights those with the most sources.
DEFAULT_PRESET = "caffe"
_MAX_LABELS = 16_000_000  # Bytes.


class Loaded(NamedTuple):
    """A network with weights of a file.

    Attributes:
        model: from (batch, crop, crop, 3) to probabilities (batch, classes).
        recipe: a recipe with this network; all other fields have no meaning.
        file: what was read.
        misfits: layers that keep their random initialization, with the reason; see `fit`.
    """

    model: keras.Model
    recipe: Recipe
    file: WeightFile
    misfits: dict[str, str]


def load_network(weights: str, preset: str | None = None, classes: int | None = None) -> Loaded:
    """Builds a network and loads weights into it.

    Args:
        weights: `imagenet`, `imagenet:PRESET`, `cifar10`, or the path or address of a weight file.
        preset: name of the preset, for a file that does not say it.
        classes: number of outputs; as many as the weights have if not given.

    Raises:
        UserError: if the weights cannot be read or are another network's, or the preset is not known.
    """
    path, preset = _find(weights, preset)
    file = read_weights(path)
    recipe = _recipe(file, preset, weights)
    model = build_model(recipe, classes or _outputs(file, recipe))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightsWarning)  # The callers report it.
        misfits = fit(model, file.layers, weights, channels_first=file.channels_first, bgr=file.bgr)
    return Loaded(model, recipe, file, misfits)


def open_weights(
    weights: str, preset: str | None = None, labels: str | os.PathLike | None = None
) -> tuple[KerasPredictor, Recipe]:
    """A trained network from weights that have all of its layers, and a recipe with its network.

    Args:
        weights, preset: as for `load_network`.
        labels: text file with one class name a line. If not given: those in the weight file, those of ImageNet for
            1000 outputs, or "class 0", "class 1" and so on.

    Raises:
        UserError: as `load_network`; if a layer or the mean image is missing; or if the labels are not as many as the
            outputs.
    """
    model, recipe, file, misfits = load_network(weights, preset)
    if misfits:
        missing = ", ".join(f"{layer} ({reason})" for layer, reason in misfits.items())
        raise UserError(f"weights must fit every layer of preset {recipe.preset!r}, got {weights!r} without {missing}")
    class_names = _class_names(file, model.output_shape[-1], labels)
    return KerasPredictor(weights, class_names, _preprocessing(recipe, file.details, weights), model), recipe


def _find(weights: str, preset: str | None) -> tuple[pathlib.Path, str | None]:
    """The file, and its preset as far as that is known without reading it."""
    name, _, published = weights.partition(":")
    if name == "imagenet":
        if published and preset not in (None, published):
            raise UserError(f"preset must be {published!r} with {weights!r}, got {preset!r}")
        preset = published or preset or DEFAULT_PRESET
        return find_weights(name, preset), preset
    return find_weights(weights, preset), preset or published_preset(weights)


def _recipe(file: WeightFile, preset: str | None, weights: str) -> Recipe:
    """A recipe with the network of a file; checks that the file is large enough for the network that it describes."""
    if file.details is None:
        if preset is None:
            raise UserError(
                f"preset must be given for {weights!r}, which does not say its network. A .onnx file of an export "
                "needs its manifest.json beside it instead"
            )
        return Recipe("weights", preset=preset)
    recipe = described_recipe(file.details, weights)
    if preset not in (None, recipe.preset):
        raise UserError(f"preset must be {recipe.preset!r}, as {weights!r} says, got {preset!r}")
    of_network = stages(recipe.network, recipe.resize_crop.crop, len(file.details.class_names))
    needed = sum(stage.parameters for stage in of_network)
    held = sum(array.size for arrays in file.layers.values() for array in arrays)
    if needed > held:
        raise UserError(f"weights must have the {needed:,} numbers of their network, got {held:,} in {weights!r}")
    return recipe


def _outputs(file: WeightFile, recipe: Recipe) -> int:
    """The number of classes that the last layer in the file is for; the preset's if it does not fit the network."""
    network, arrays = recipe.network, file.layers.get(recipe.network.head)
    if not arrays:
        return network.classifier.units
    head = stages(network, recipe.resize_crop.crop, arrays[-1].size)[-1]
    return arrays[-1].size if head.parameters == sum(array.size for array in arrays) else network.classifier.units


def _class_names(file: WeightFile, outputs: int, labels: str | os.PathLike | None) -> tuple[str, ...]:
    if labels is not None:
        names, where = _read_labels(labels), str(labels)
    elif file.details:
        names, where = file.details.class_names, "weights"
    elif outputs == len(imagenet_classes()):
        return tuple(name for _, name in imagenet_classes())
    else:
        return tuple(f"class {number}" for number in range(outputs))
    check_class_names(names, where)
    if len(names) != outputs:
        raise UserError(f"labels must be one for each of the {outputs} outputs, got {len(names)} in {where!r}")
    return names


def _read_labels(labels: str | os.PathLike) -> tuple[str, ...]:
    path = pathlib.Path(labels)
    if not path.is_file() or path.stat().st_size > _MAX_LABELS:
        raise UserError(f"labels must be a text file of at most {_MAX_LABELS:,} bytes, got {str(path)!r}")
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise UserError(f"labels must be UTF-8 text, got {str(path)!r}: {error}") from error


def _preprocessing(recipe: Recipe, details: RunDetails | None, weights: str) -> InputPreprocessing:
    sizes, mean = recipe.resize_crop, recipe.network.preprocessing.mean
    if isinstance(mean, str):
        details = details or packaged_details(recipe.preset)
        image = details.mean_image if details else None
        if image is None:
            raise UserError(
                f"weights must come with the mean image that preset {recipe.preset!r} subtracts, got {weights!r}. Use "
                "the run that they are from, or a .safetensors file that alexnet-tf weights writes from that run"
            )
        mean = central_crop(image, sizes.crop) if mean == "image" else image.mean((0, 1))
    return InputPreprocessing(sizes.resize, sizes.crop, np.asarray(mean, np.float32))
