"""Top-1 and top-5 error of every exported format, measured on the same images."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.pipeline import read_split
from alexnet_tf.data.sources import Split
from alexnet_tf.errors import UserError
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import Predictor

# Enough for an interval of at most ±1 percentage point, whatever the error: 1.96² × 0.5² / 0.01² = 9604.
IMAGES, SECONDS = 10_000, 120.0
_BATCH = 64
_DEVIATIONS = 1.96  # Of a normal distribution, on each side of its mean, hold 95 % of it.


@dataclasses.dataclass(frozen=True)
class Sample:
    """Which labeled images errors are measured on: a random sample, the same one every time.

    Attributes:
        split: the images, e.g. `run.dataset.validation`.
        count: how many at most.
        seconds: measuring stops after the batch that exceeds this time, for all formats together; None for never.
        progress: called after each batch with the number of images so far.
    """

    split: Split
    count: int = IMAGES
    seconds: float | None = SECONDS
    progress: Callable[[int], None] = lambda images: None


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """The errors of one format, and of the network that it was made from on the same images.

    Attributes:
        images: how many were measured.
        top1_error, top5_error: fractions in [0, 1]. With fewer than five classes, top-5 means all of them.
        top1_interval, top5_interval: 95 % confidence intervals (lower, upper) for the errors on all such images.
        keras_top1_error, keras_top5_error: of the Keras model.
    """

    images: int
    top1_error: float
    top5_error: float
    top1_interval: tuple[float, float]
    top5_interval: tuple[float, float]
    keras_top1_error: float
    keras_top5_error: float


def measure(keras: KerasPredictor, exported: Sequence[Predictor], sample: Sample) -> list[Accuracy]:
    """Measures the errors of exported files and of the network that they were made from.

    Each image is read once and given to all of them.

    Args:
        keras: the network.
        exported: the files.
        sample: the images.

    Returns:
        The errors of each file, in the same order.

    Raises:
        UserError: if no image is readable.
    """
    predictors, batch_size = (keras, *exported), min(_BATCH, sample.count, sample.split.count)
    errors, images, started = np.zeros([len(predictors), 2], np.int64), 0, time.monotonic()
    for batch in read_split(
        sample.split, len(keras.class_names), batch_size, keras.preprocessing, count=sample.count, seed=0
    ):
        if len(batch.labels):
            errors += [_errors(predictor.compiled(batch.images), batch.labels) for predictor in predictors]
        images += len(batch.labels)
        sample.progress(images)
        if sample.seconds is not None and time.monotonic() - started > sample.seconds:
            break
    if not images:
        raise UserError("validation set must have a readable image to measure errors on, got none")
    (keras_top1, keras_top5), *others = errors.tolist()
    return [
        Accuracy(
            images, top1 / images, top5 / images, interval(top1, images), interval(top5, images),
            keras_top1 / images, keras_top5 / images,
        )
        for top1, top5 in others
    ]  # fmt: skip


def interval(errors: int, images: int) -> tuple[float, float]:
    """The 95 % confidence interval of an error rate, by Wilson's formula, which holds for rates near 0 as well.

    Args:
        errors: number of misclassified images.
        images: number of images, at least 1.
    """
    rate, square = errors / images, _DEVIATIONS**2 / images
    center, half = rate + square / 2, math.sqrt(square * (rate * (1 - rate) + square / 4))
    return max(0.0, (center - half) / (1 + square)), min(1.0, (center + half) / (1 + square))


def _errors(probabilities: tf.Tensor, labels: npt.NDArray[np.int64]) -> list[int]:
    """How many labels are not the most probable class, and not among the five most probable."""
    correct = (tf.math.in_top_k(labels, probabilities, min(k, probabilities.shape[-1])) for k in (1, 5))
    return [len(labels) - int(np.sum(hits)) for hits in correct]


def columns(accuracy: Mapping[str, Any] | None) -> tuple[str, str]:
    """Both errors of an `Accuracy`'s fields, for tables: `8.20 % (7.10–9.45)`; `-` if they were not measured."""
    if accuracy is None:
        return "-", "-"
    errors = ((accuracy[f"{name}_error"], accuracy[f"{name}_interval"]) for name in ("top1", "top5"))
    one, five = (f"{100 * rate:.2f} % ({100 * low:.2f}–{100 * high:.2f})" for rate, (low, high) in errors)
    return one, five


def sentence(accuracy: Mapping[str, Any]) -> str:
    """What the errors in a table were measured on, and those of the Keras model."""
    return (
        f"Errors on {accuracy['images']:,} validation images, with 95 % confidence intervals; the Keras model on the "
        f"same images: {100 * accuracy['keras_top1_error']:.2f} % top-1, "
        f"{100 * accuracy['keras_top5_error']:.2f} % top-5."
    )
