"""Search for the training images whose features are nearest to those of an image."""

import dataclasses
import heapq
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from alexnet_tf.data.pipeline import read_split
from alexnet_tf.data.sources import Split
from alexnet_tf.errors import UserError
from alexnet_tf.inference.predict_split import SplitPredictions, layer_function, predict_split
from alexnet_tf.inference.predictor import Predictor

_BATCH_SIZE = 32
# Query images of different classes are looked for among this many.
_POOL = 256


@dataclasses.dataclass(frozen=True)
class Neighbor:
    """A training image near to a query.

    Attributes:
        distance: Euclidean distance between the features of the two images.
        label: true class.
        image: uint8 (crop, crop, 3).
    """

    distance: float
    label: int
    image: npt.NDArray


def choose(predictor: Predictor, split: Split, count: int = 5, seed: int = 0) -> tuple[npt.NDArray, npt.NDArray]:
    """Picks query images at random, of as many different classes as there are among the first few hundred.

    Args:
        predictor: its preprocessing and number of classes are used.
        split: images to pick from.
        count: how many; fewer where the split has fewer.
        seed: non-negative int.

    Returns:
        uint8 (count, crop, crop, 3), and int labels (count,).

    Raises:
        UserError: if no image can be read.
    """
    new_class: list[tuple[npt.NDArray, int]] = []
    known_class: list[tuple[npt.NDArray, int]] = []
    seen: set[int] = set()
    classes, pool = len(predictor.class_names), max(count, _POOL)
    batch_size = min(_BATCH_SIZE, split.count)
    for examples in read_split(split, classes, batch_size, predictor.preprocessing, count=pool, seed=seed):
        for image, label in zip(examples.images, examples.labels, strict=True):
            (known_class if label in seen else new_class).append((image, label))
            seen.add(label)
        if len(new_class) >= min(count, classes) and len(new_class) + len(known_class) >= count:
            break
    if not new_class:
        raise UserError("dataset must have a readable image to draw, got none")
    images, labels = zip(*(new_class + known_class)[:count], strict=True)
    return np.stack(images), np.array(labels)


def search(
    predictor: Predictor,
    split: Split,
    queries: npt.NDArray,
    layer: str = "fc7",
    count: int = 6,
    examples: int = 5000,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[Neighbor]]:
    """Finds the images of a split whose features are nearest to those of each query.

    Args:
        predictor: the network.
        split: images to search.
        queries: uint8 (queries, crop, crop, 3).
        layer: whose activations are compared, one of `predictor.layer_names`.
        count: neighbors of each query.
        examples: number of images to search, picked at random; all if the split has no more.
        seed: non-negative int.
        progress: called with the number of images searched so far.

    Returns:
        For each query its `count` nearest neighbors, the nearest first.

    Raises:
        UserError: if there is no such layer, or no image can be read.

    Reference: section 6.1 of the paper: Euclidean distance between the activations of the last hidden layer.
    """
    query_features = _flat(layer_function(predictor, layer)(queries).numpy())
    nearest: list[list[Neighbor]] = [[] for _ in queries]
    batches = predict_split(
        predictor, split, layer, batch_size=_BATCH_SIZE, count=examples, seed=seed, progress=progress
    )
    for batch in batches:
        features = _flat(batch.outputs)
        for query, best in enumerate(nearest):
            distances = np.linalg.norm(features - query_features[query], axis=1)
            candidates = [_neighbor(batch, i, distances[i]) for i in np.argsort(distances)[:count]]
            nearest[query] = heapq.nsmallest(count, best + candidates, key=lambda neighbor: neighbor.distance)
    if not nearest[0]:
        raise UserError("dataset must have a readable image to search, got none")
    return nearest


def _neighbor(batch: SplitPredictions, index: int, distance: float) -> Neighbor:
    # A copy, because a view would keep its whole batch in memory.
    return Neighbor(float(distance), int(batch.labels[index]), batch.images[index].copy())


def _flat(features: npt.NDArray) -> npt.NDArray:
    """float64 (images, features)."""
    return features.reshape(len(features), -1).astype(np.float64)
