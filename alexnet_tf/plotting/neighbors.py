"""The training images whose features are nearest to an image's: the right half of the paper's Figure 4."""

import dataclasses
import heapq

import numpy as np
import tensorflow as tf

from alexnet_tf.plotting import palette, sample, style


@dataclasses.dataclass(frozen=True)
class Neighbor:
    """A training image near to a query.

    Attributes:
        distance: Euclidean, between the two images' features.
        label: int.
        image: uint8 (crop, crop, 3).
    """

    distance: float
    label: int
    image: np.ndarray


def choose(classifier, split, count=5, seed=0):
    """Picks query images by a seed, of as many different classes as there are among the first few hundred.

    Args:
        classifier: `alexnet_tf.inference.predictor.Classifier`.
        split: `alexnet_tf.data.sources.Split`.
        count: how many; fewer where the split has fewer.
        seed: non-negative int.

    Returns:
        uint8 (count, crop, crop, 3), and int labels (count,).
    """
    first, again, seen = [], [], set()
    for images, labels in sample.batches(classifier, split, max(count, 256), seed):
        for image, label in zip(images, labels, strict=True):
            (again if label in seen else first).append((image, label))
            seen.add(label)
        if len(first) >= min(count, len(classifier.class_names)) and len(first) + len(again) >= count:
            break
    images, labels = zip(*(first + again)[:count], strict=True)
    return np.stack(images), np.array(labels)


def search(classifier, split, queries, layer="fc7", count=6, examples=5000, seed=0, progress=lambda done: None):
    """Finds the images of a split whose features are nearest to those of each query.

    Args:
        classifier: `alexnet_tf.inference.predictor.Classifier`.
        split: `alexnet_tf.data.sources.Split` to search.
        queries: uint8 (queries, crop, crop, 3).
        layer: whose activations are compared, one of `Classifier.outputs`.
        count: neighbors of each query.
        examples: images that are looked at, drawn by `seed`; all if the split has no more.
        progress: called with the number looked at so far.

    Returns:
        For each query a list of `count` `Neighbor`s, nearest first.

    Reference: section 6.1 of the paper: Euclidean distance between the activations of the last hidden layer.
    """

    @tf.function(jit_compile=False, reduce_retracing=True)
    def features(pixels):
        found = classifier.layers(pixels, layer)[layer]
        return tf.reshape(found, [tf.shape(found)[0], -1])

    wanted = features(queries).numpy().astype(np.float64)
    nearest, done = [[] for _ in queries], 0
    for images, labels in sample.batches(classifier, split, examples, seed):
        found = features(images).numpy().astype(np.float64)
        for query, best in enumerate(nearest):
            distances = np.linalg.norm(found - wanted[query], axis=1)
            # A copy, because a view would keep its whole batch in memory.
            few = np.argsort(distances)[:count]
            rows = best + [Neighbor(float(distances[i]), int(labels[i]), images[i].copy()) for i in few]
            nearest[query] = heapq.nsmallest(count, rows, key=lambda row: row.distance)
        done += len(images)
        progress(done)
    return nearest


def draw(queries, labels, nearest, class_names, title=""):
    """Draws each query on the left and its neighbors beside it, with labels and distances.

    Args:
        queries, labels: uint8 (queries, crop, crop, 3) and int (queries,).
        nearest: what `search` returned.
        class_names: sequence of str.
        title: a line above all.

    Returns:
        A `matplotlib.figure.Figure`.

    Reference: Figure 4 (right) of the paper.
    """
    columns = max(map(len, nearest), default=0)
    figure = style.new_figure(1.45 * (columns + 1) + 0.3, 2.0 * len(queries) + 0.7)
    ratios = [1, 0.12, *[1] * columns]
    grid = figure.subplots(len(queries), columns + 2, squeeze=False, gridspec_kw={"width_ratios": ratios})
    for axes in grid.flat:
        style.without_axes(axes)
    for (query, _, *others), image, label, neighbors in zip(grid, queries, labels, nearest, strict=True):
        query.imshow(image)
        query.set_xlabel(style.class_name(class_names[label]), fontsize=12, fontweight="bold")
        query.spines[:].set(visible=True, color=palette.INK, linewidth=3)
        for axes, neighbor in zip(others, neighbors, strict=False):
            axes.imshow(neighbor.image)
            _caption(axes, neighbor, label, class_names)
    grid[0, 0].set_title("query", fontsize=12)
    grid[0, 2].set_title("nearest", fontsize=12)
    figure.suptitle(title, fontsize=12, color=palette.GRAY)
    return figure


def _caption(axes, neighbor, label, class_names):
    """The label, with a cross and in color where it is not the query's, and the distance."""
    same = neighbor.label == label
    name = style.class_name(class_names[neighbor.label])
    text = f"{name if same else f'✗ {name}'}\n{neighbor.distance:.1f}"
    axes.set_xlabel(text, fontsize=11, color=palette.INK if same else palette.VERMILLION)
