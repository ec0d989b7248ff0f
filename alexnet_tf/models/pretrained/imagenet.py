"""Preprocessing and class names for ImageNet weights, as in `keras.applications`."""

import functools
import pathlib
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.presets import get_preset


def preprocess_input(images: Any, preset: str | Preset = "caffe", mean: npt.ArrayLike | None = None) -> Any:
    """Turns RGB pixels into a network's input.

    Args:
        images: array or tensor, also a symbolic one inside `tf.data.Dataset.map`: uint8 or float, (..., height, width,
            3), RGB from 0 to 255. Not changed.
        preset: name of a preset or a `Preset`.
        mean: what to subtract, (3,) or (height, width, 3), for presets that use the mean of their training set.

    Returns:
        The pixels minus the mean, float32, of the same shape; an array for an array, a tensor for a tensor. Any other
        scaling happens inside the network.

    Raises:
        UserError: if the images do not have the preset's number of channels, or the preset has no mean of its own and
            none is given.
    """
    preset = get_preset(preset)
    mean = preset.preprocessing.mean if mean is None else mean
    if isinstance(mean, str):
        raise UserError(
            f"mean must be given for preset {preset.name!r}, which subtracts the mean of its training set, got None"
        )
    if not hasattr(images, "shape"):
        images = np.asarray(images)
    shape = tuple(images.shape)
    if len(shape) < 3 or shape[-1] not in (preset.channels, None):
        raise UserError(f"images must have shape (..., height, width, {preset.channels}), got {shape}")
    if isinstance(images, np.ndarray):
        return np.asarray(images, np.float32) - np.asarray(mean, np.float32)
    return keras.ops.subtract(keras.ops.cast(images, "float32"), np.asarray(mean, np.float32))


def decode_predictions(predictions: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Returns the highest-scoring classes of networks with the 1000 classes of ILSVRC-2012.

    Args:
        predictions: array or tensor (batch, 1000), probabilities or logits.
        top: classes per image.

    Returns:
        For each image a list of (WordNet id, name, score), highest score first.

    Raises:
        UserError: if the shape is another, or `top` is not between 1 and 1000.
    """
    predictions = np.asarray(predictions)
    classes = imagenet_classes()
    if predictions.ndim != 2 or predictions.shape[1] != len(classes):
        raise UserError(f"predictions must have shape (batch, {len(classes)}), got {predictions.shape}")
    if not 1 <= top <= len(classes):
        raise UserError(f"top must be from 1 to {len(classes)}, got {top}")
    order = np.argsort(-predictions, axis=1, kind="stable")[:, :top]
    return [[(*classes[i], float(row[i])) for i in best] for row, best in zip(predictions, order, strict=True)]


@functools.cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """The 1000 classes of ILSVRC-2012 as (WordNet id, name), in the order of all published weights."""
    file = pathlib.Path(__file__).with_name("ilsvrc2012_names.tsv")
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
    return tuple((wordnet_id, name) for wordnet_id, name in rows)
