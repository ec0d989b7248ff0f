"""Which classes a network takes for which, and the images that it is most surely wrong about."""

import dataclasses
import re

import numpy as np
import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.data import pipeline
from alexnet_tf.data.sources import name_of

CONFUSION, MISTAKES = "confusion.tsv", "mistakes.tsv"
# Classes whose table a terminal has room for, and mistakes that it lists.
SHOWN_CLASSES, SHOWN = 12, 10
_NAME_LENGTH = 14
_CORNER = "true \\ given"


@dataclasses.dataclass(frozen=True)
class ClassificationReport:
    """What a network says of the images of a split that could be read.

    Attributes:
        names: list of str, what the user would call each image.
        labels: int64 (images,), the true classes.
        given: int64 (images,), those with the highest probability.
        probabilities: float32 (images,), of the classes given.
        class_names: tuple of str.
    """

    names: list
    labels: np.ndarray
    given: np.ndarray
    probabilities: np.ndarray
    class_names: tuple

    @property
    def confusion(self):
        """The number of images of each true class (rows) that were given each class (columns): int64."""
        matrix = np.zeros([len(self.class_names)] * 2, np.int64)
        np.add.at(matrix, (self.labels, self.given), 1)
        return matrix

    @property
    def mistakes(self):
        """(name, true class, class given, its probability) of the images with a wrong answer, the surest first."""
        wrong = np.flatnonzero(self.given != self.labels)
        order = wrong[np.argsort(-self.probabilities[wrong], kind="stable")]
        return [
            (self.names[i], self.class_names[self.labels[i]], self.class_names[self.given[i]], self.probabilities[i])
            for i in order
        ]

    def save(self, directory):
        """Writes `confusion.tsv` and `mistakes.tsv`, each with a line of headings."""
        rows = zip(self.class_names, self.confusion.tolist(), strict=True)
        _write(directory / CONFUSION, [_CORNER, *self.class_names], ([name, *row] for name, row in rows))
        found = ([*row, f"{probability:.4f}"] for *row, probability in self.mistakes)
        _write(directory / MISTAKES, ["file", "true", "given", "probability"], found)

    def text(self):
        """The table, or for many classes the most frequent confusions, and the worst mistakes, for a terminal."""
        few = len(self.class_names) <= SHOWN_CLASSES
        lines = self._table() if few else self._most_frequent()
        mistakes = self.mistakes
        if mistakes:
            lines += ["", f"surest of the {len(mistakes):,} mistakes:"]
        lines += [f"{name}: {given} {share:.1%}, is {true}" for name, true, given, share in mistakes[:SHOWN]]
        return "\n".join(lines)

    def _table(self):
        matrix = self.confusion
        names = [_short(name) for name in self.class_names]
        widths = [max(len(name), len(str(column.max()))) + 2 for name, column in zip(names, matrix.T, strict=True)]
        first = max(len(_CORNER), *map(len, names))
        heading = "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
        lines = [f"{_CORNER:<{first}}{heading}{'error':>9}"]
        for number, (name, row) in enumerate(zip(names, matrix, strict=True)):
            cells = "".join(f"{count:>{width}}" for count, width in zip(row, widths, strict=True))
            error = f"{1 - row[number] / row.sum():.1%}" if row.sum() else "-"
            lines.append(f"{name:<{first}}{cells}{error:>9}")
        return lines

    def _most_frequent(self):
        matrix = self.confusion
        np.fill_diagonal(matrix, 0)
        order = np.argsort(-matrix, axis=None, kind="stable")[:SHOWN]
        pairs = [(matrix.flat[place], *np.unravel_index(place, matrix.shape)) for place in order]
        lines = [f"most frequent of {len(self.class_names)} classes' confusions:"]
        names = self.class_names
        return lines + [f"{names[true]} taken for {names[given]}: {count}" for count, true, given in pairs if count]


def answers(model, split, part, class_names, resize_crop, mean, batch_size=64, progress=lambda count: None):
    """Asks a network about every image of a split, its center view.

    Args:
        model: `keras.Model` from (batch, crop, crop, 3) to probabilities (batch, classes).
        split: an `alexnet_tf.data.sources.Split`.
        part: `"train"` or `"validation"`, for the names of images that have none.
        class_names: tuple of str.
        resize_crop, mean: as for `alexnet_tf.evaluation.evaluator.Evaluator`.
        batch_size: images at a time.
        progress: called after each batch with the number of images so far.

    Returns:
        `ClassificationReport`.
    """
    mean = tf.constant(mean)

    @tf.function(jit_compile=False)
    def ask(images):
        return model(image_functions.subtract_mean(images, mean), training=False)

    indices, labels, probabilities, count = [], [], [], 0
    for batch in pipeline.evaluation_batches(split, len(class_names), batch_size, resize_crop):
        good = batch["weight"].numpy() > 0
        indices.append(count + np.flatnonzero(good))
        labels.append(batch["label"].numpy()[good])
        probabilities.append(ask(batch["image"]).numpy()[good])
        count += batch_size
        progress(min(count, split.count))
    probabilities = np.concatenate(probabilities)
    names = [name_of(split, part, index) for index in np.concatenate(indices)]
    return ClassificationReport(
        names, np.concatenate(labels), probabilities.argmax(1), probabilities.max(1), tuple(class_names)
    )


def _short(name):
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"


def _write(path, heading, rows):
    """Writes tab-separated lines; a tab or line break inside a field becomes a space."""
    lines = ("\t".join(re.sub(r"[\t\r\n]", " ", str(field)) for field in row) for row in (heading, *rows))
    path.write_text("\n".join(lines) + "\n")
