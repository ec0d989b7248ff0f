"""Preprocessing and class names for weights that have a name, as in `keras.applications`."""

import functools
import pathlib
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.packaged import packaged_file, packaged_weights
from alexnet_tf.models.pretrained.run_details import RunDetails
from alexnet_tf.models.pretrained.safetensors_file import read_details


def preprocess_input(images: Any, preset: str | Preset = "caffe", mean: npt.ArrayLike | None = None) -> Any:
    """Turns RGB pixels into a network's input.

    Args:
        images: array or tensor, also a symbolic one inside `tf.data.Dataset.map`: uint8 or float, (..., height, width,
            3), RGB from 0 to 255. Not changed.
        preset: name of a preset or a `Preset`.
        mean: what to subtract, (3,) or (height, width, 3), for presets that use the mean of their training set. If not
            given, that of CIFAR-10 for `four_layers`, which belongs to its weights.

    Returns:
        The pixels minus the mean, float32, of the same shape; an array for an array, a tensor for a tensor. Any other
        scaling happens inside the network.

    Raises:
        UserError: if the images do not have the preset's number of channels, or not the size of its mean image, or the
            preset has no mean of its own and none is given.
    """
    preset = get_preset(preset)
    mean = _mean(preset) if mean is None else mean
    if isinstance(mean, str):
        raise UserError(
            f"mean must be given for preset {preset.name!r}, which subtracts the mean of its training set, got None"
        )
    if not hasattr(images, "shape"):
        images = np.asarray(images)
    shape = tuple(images.shape)
    if len(shape) < 3 or shape[-1] not in (preset.channels, None):
        raise UserError(f"images must have shape (..., height, width, {preset.channels}), got {shape}")
    sides = np.shape(mean)[-3:-1]
    if any(side not in (1, given) and given for side, given in zip(sides, shape[-3:-1], strict=False)):
        raise UserError(f"images must be {sides[0]} by {sides[1]} pixels, like the mean image, got {shape}")
    if isinstance(images, np.ndarray):
        return np.asarray(images, np.float32) - np.asarray(mean, np.float32)
    return keras.ops.subtract(keras.ops.cast(images, "float32"), np.asarray(mean, np.float32))


def _mean(preset: Preset) -> Any:
    """The mean of a preset: a color, that of the weights that come with the package, or the name of a kind of mean."""
    details = packaged_details(preset.name)
    return preset.preprocessing.mean if details is None else details.mean_image


def decode_predictions(
    predictions: Any, top: int = 5, preset: str | Preset = "caffe"
) -> list[list[tuple[str, str, float]]]:
    """Returns the highest-scoring classes of networks whose weights have a name.

    Args:
        predictions: array or tensor (batch, classes), probabilities or logits.
        top: classes per image.
        preset: name of a preset or a `Preset`: `four_layers` has the 10 classes of CIFAR-10, all others the 1000 of
            ILSVRC-2012.

    Returns:
        For each image a list of (WordNet id, name, score), highest score first. The classes of CIFAR-10 have no WordNet
        ids; instead, the number of the output is given as text.

    Raises:
        UserError: if the shape is another, or `top` is not between 1 and the number of classes.
    """
    predictions = np.asarray(predictions)
    details = packaged_details(get_preset(preset).name)
    classes = [(str(i), name) for i, name in enumerate(details.class_names)] if details else imagenet_classes()
    if predictions.ndim != 2 or predictions.shape[1] != len(classes):
        raise UserError(f"predictions must have shape (batch, {len(classes)}), got {predictions.shape}")
    if not 1 <= top <= len(classes):
        raise UserError(f"top must be from 1 to {len(classes)}, got {top}")
    order = np.argsort(-predictions, axis=1, kind="stable")[:, :top]
    return [[(*classes[i], float(row[i])) for i in best] for row, best in zip(predictions, order, strict=True)]


@functools.cache
def packaged_details(preset_name: str) -> RunDetails | None:
    """What the weights of a preset that come with the package say about their run; None if there are none."""
    weights = packaged_weights(preset_name)
    return read_details(packaged_file(weights)) if weights else None


@functools.cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """The 1000 classes of ILSVRC-2012 as (WordNet id, name), in the order of all published weights."""
    file = pathlib.Path(__file__).with_name("ilsvrc2012_names.tsv")
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
    return tuple((wordnet_id, name) for wordnet_id, name in rows)
