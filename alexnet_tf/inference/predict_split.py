"""Predictions for the images of a split."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.pipeline import read_split
from alexnet_tf.data.sources import Split
from alexnet_tf.inference.predictor import Predictor

BATCH_SIZE = 64


class SplitPredictions(NamedTuple):
    """A batch of readable examples with the outputs of a network.

    Attributes:
        images, labels, indices: as in `alexnet_tf.data.pipeline.Examples`.
        outputs: float32 (examples, classes), or (examples, ...) of an inner layer.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.float32]


def predict_split(
    predictor: Predictor,
    split: Split,
    layer: str | None = None,
    classes: int | None = None,
    batch_size: int = BATCH_SIZE,
    count: int | None = None,
    seed: int | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> Iterator[SplitPredictions]:
    """Yields the readable examples of a split, batch by batch, with what a predictor gives for their central crops.

    Args:
        predictor: the network.
        split: the images.
        layer: one of `predictor.layer_names`; probabilities if not given.
        classes: number of classes of the split; the predictor's if not given.
        batch_size: images at a time.
        count, seed: as for `alexnet_tf.data.pipeline.evaluation_batches`.
        progress: called after each batch with the number of images so far, unreadable ones included.

    Raises:
        UserError: if there is no such layer.
    """
    outputs = predictor.compiled if layer is None else layer_function(predictor, layer)
    count = min(count or split.count, split.count)
    batch_size, seen = min(batch_size, count), 0
    classes = classes or len(predictor.class_names)
    for examples in read_split(split, classes, batch_size, predictor.preprocessing, count=count, seed=seed):
        if len(examples.labels):
            yield SplitPredictions(*examples, outputs(examples.images).numpy())
        seen = min(seen + batch_size, count)
        progress(seen)


def layer_function(predictor: Predictor, layer: str) -> Callable[[npt.ArrayLike | tf.Tensor], tf.Tensor]:
    """A `tf.function` from uint8 (batch, crop, crop, 3) to a layer's output, float32 (batch, ...).

    Raises:
        UserError: if there is no such layer.
    """
    predictor.check_layer(layer)
    return tf.function(
        lambda images: predictor.layers(images, [layer])[layer], jit_compile=False, reduce_retracing=True
    )
