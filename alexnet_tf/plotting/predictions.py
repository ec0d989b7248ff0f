"""Images with their five most probable labels: the left half of the paper's Figure 4."""

import dataclasses

import numpy as np
import tensorflow as tf

from alexnet_tf.plotting import palette, sample, style

BARS = 5
_COLUMNS = 4
# Of so many images for each one wanted, right and wrong ones are picked.
_POOL = 64


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network says of some images.

    Attributes:
        images: uint8 (count, crop, crop, 3).
        labels: int (count,), the true classes.
        probabilities: float32 (count, classes).
    """

    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def right(self):
        """bool (count,): whether the most probable class is the true one."""
        return self.probabilities.argmax(1) == self.labels


def choose(classifier, split, count=8, seed=0):
    """Picks images by a seed, half of them right and half wrong as far as there are any.

    Args:
        classifier: `alexnet_tf.inference.predictor.Classifier`.
        split: `alexnet_tf.data.sources.Split`.
        count: how many; fewer where the split has fewer.
        seed: non-negative int.

    Returns:
        `Predictions`, the right ones first.
    """
    classify = tf.function(classifier.probabilities, jit_compile=False, reduce_retracing=True)
    found = {True: [], False: []}
    for images, labels in sample.batches(classifier, split, _POOL * count, seed):
        for image, label, answer in zip(images, labels, classify(images).numpy(), strict=True):
            kind = found[bool(answer.argmax() == label)]
            if len(kind) < count:
                # A copy, because a view would keep its whole batch in memory.
                kind.append((image.copy(), label, answer))
        if min(map(len, found.values())) >= (count + 1) // 2:
            break
    right, wrong = found[True], found[False]
    wrong = wrong[: max(count // 2, count - len(right))]
    return Predictions(*map(np.stack, zip(*right[: count - len(wrong)], *wrong, strict=True)))


def draw(predictions, class_names):
    """Draws each image with its true label and the five most probable ones as bars, the true one marked.

    Args:
        predictions: `Predictions`.
        class_names: sequence of str.

    Returns:
        A `matplotlib.figure.Figure`.

    Reference: Figure 4 (left) of the paper.
    """
    count = len(predictions.labels)
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = style.new_figure(2.6 * columns, 3.9 * rows + 0.4)
    grid = figure.subplots(
        2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": [2.2, 1.3] * rows}
    ).reshape(rows, 2, columns).transpose(0, 2, 1).reshape(-1, 2)  # fmt: skip
    for photo, bars in grid:
        style.without_axes(photo)
        style.without_axes(bars)
    cells = zip(grid, predictions.images, predictions.labels, predictions.probabilities, strict=False)
    for (photo, bars), image, label, probabilities in cells:
        photo.imshow(image)
        photo.set_title(style.class_name(class_names[label]), fontsize=14, fontweight="bold", color=palette.INK)
        _bars(bars, probabilities, label, class_names)
    right = int(predictions.right.sum())
    text = f"✓ marks the true label; {right} right and {count - right} wrong were picked"
    figure.suptitle(text, fontsize=12, color=palette.GRAY)
    return figure


def _bars(axes, probabilities, label, class_names):
    best = np.argsort(-probabilities, kind="stable")[:BARS]
    for place, index in enumerate(best):
        true = index == label
        axes.barh(
            -place, probabilities[index], height=0.86, color=palette.VERMILLION if true else palette.SKY, alpha=0.7
        )
        name = f"✓ {style.class_name(class_names[index])}" if true else style.class_name(class_names[index])
        axes.text(0.02, -place, name, va="center", fontsize=11, fontweight="bold" if true else "normal")
        axes.text(1.18, -place, f"{probabilities[index]:.0%}", va="center", ha="right", fontsize=10)
    axes.set(xlim=(0, 1.18), ylim=(0.5 - BARS, 0.6))
