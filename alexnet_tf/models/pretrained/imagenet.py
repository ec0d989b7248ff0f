"""Before and after a network with ImageNet weights, as in `keras.applications`."""

import functools
import pathlib

import numpy as np

from alexnet_tf.models.presets import get_preset


def preprocess_input(images, preset="caffe", mean=None):
    """From RGB pixels to a network's input.

    Args:
        images: uint8 or float, (..., height, width, 3), RGB from 0 to 255. Not changed.
        preset: name of a preset or a `Preset`.
        mean: what to subtract, (3,) or (height, width, 3), for presets that take it from their training set.

    Returns:
        float32, the same shape: the pixels minus the mean. Any other scaling is inside the network.

    Raises:
        ValueError: if the preset has no mean of its own and none is given.
    """
    preset = get_preset(preset)
    mean = preset.preprocessing.mean if mean is None else mean
    if isinstance(mean, str):
        raise ValueError(
            f"mean must be given: preset {preset.name!r} subtracts the mean of its training set. Received: mean=None"
        )
    return np.asarray(images, np.float32) - np.asarray(mean, np.float32)


def decode_predictions(predictions, top=5):
    """The best classes of networks with the 1000 classes of ILSVRC-2012.

    Args:
        predictions: (batch, 1000), probabilities or logits.
        top: how many of each.

    Returns:
        For each image a list of (WordNet id, name, score), best first.

    Raises:
        ValueError: if the shape is another.
    """
    predictions = np.asarray(predictions)
    classes = imagenet_classes()
    if predictions.ndim != 2 or predictions.shape[1] != len(classes):
        raise ValueError(f"predictions must be of shape (batch, {len(classes)}). Received: {predictions.shape}")
    order = np.argsort(-predictions, axis=1, kind="stable")[:, :top]
    return [[(*classes[i], float(row[i])) for i in best] for row, best in zip(predictions, order, strict=True)]


@functools.cache
def imagenet_classes():
    """The 1000 classes of ILSVRC-2012 as (WordNet id, name), in the order that all published weights share."""
    file = pathlib.Path(__file__).with_name("ilsvrc2012_names.tsv")
    return tuple(tuple(line.split("\t")) for line in file.read_text(encoding="utf-8").splitlines())
