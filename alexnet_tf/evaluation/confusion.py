"""The confusion matrix of a network, and the mistakes that it makes with the highest probability."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from alexnet_tf.data.sources import Split, name_of
from alexnet_tf.errors import UserError
from alexnet_tf.inference.predict_split import BATCH_SIZE, predict_split
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.runs import layout
from alexnet_tf.storage import write_text

# The largest matrix that fits a terminal, and the number of confusions and mistakes in a text.
SHOWN_CLASSES, SHOWN = 12, 10
_NAME_LENGTH = 14
_CORNER = "label \\ predicted"


class Mistake(NamedTuple):
    """An image whose predicted class is not its label."""

    name: str
    label: str
    predicted: str
    probability: float


@dataclasses.dataclass(frozen=True)
class ClassificationReport:
    """The predictions of a network for the readable images of a split.

    Attributes:
        names: file name of each image, or another name to find it by.
        labels: int64 (images,).
        predicted: int64 (images,), the most probable classes.
        probabilities: float32 (images,), of the predicted classes.
        class_names: names of the classes.
    """

    names: Sequence[str]
    labels: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    class_names: tuple[str, ...]

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """int64 (classes, classes): number of images with each label (row) and predicted class (column)."""
        matrix = np.zeros([len(self.class_names)] * 2, np.int64)
        np.add.at(matrix, (self.labels, self.predicted), 1)
        return matrix

    @property
    def mistakes(self) -> list[Mistake]:
        """The wrong predictions, the most probable first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        order = wrong[np.argsort(-self.probabilities[wrong], kind="stable")]
        names = self.class_names
        return [
            Mistake(self.names[i], names[self.labels[i]], names[self.predicted[i]], float(self.probabilities[i]))
            for i in order
        ]

    def save(self, directory: str | os.PathLike) -> None:
        """Writes `confusion.tsv` and `mistakes.tsv`, each with a header line, into a directory."""
        directory = pathlib.Path(directory)
        rows = zip(self.class_names, self.confusion.tolist(), strict=True)
        _write_tsv(directory / layout.CONFUSION, [_CORNER, *self.class_names], ([name, *row] for name, row in rows))
        mistakes = ([*names, f"{probability:.4f}"] for *names, probability in self.mistakes)
        _write_tsv(directory / layout.MISTAKES, ["file", "label", "predicted", "probability"], mistakes)

    def text(self) -> str:
        """The confusion matrix, or with many classes the most frequent confusions, and the top mistakes."""
        few = len(self.class_names) <= SHOWN_CLASSES
        lines = self._matrix_lines() if few else self._most_frequent_lines()
        mistakes = self.mistakes
        if mistakes:
            lines += ["", f"most probable of the {len(mistakes):,} mistakes:"]
        lines += [
            f"{name}: predicted {predicted} ({100 * probability:.1f} %), label {label}"
            for name, label, predicted, probability in mistakes[:SHOWN]
        ]
        return "\n".join(lines)

    def _matrix_lines(self) -> list[str]:
        matrix = self.confusion
        names = [_short(name) for name in self.class_names]
        widths = [max(len(name), len(str(column.max()))) + 2 for name, column in zip(names, matrix.T, strict=True)]
        first = max(len(_CORNER), *map(len, names))
        heading = "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
        lines = [f"{_CORNER:<{first}}{heading}{'error':>9}"]
        for number, (name, row) in enumerate(zip(names, matrix, strict=True)):
            cells = "".join(f"{count:>{width}}" for count, width in zip(row, widths, strict=True))
            error = f"{100 * (1 - row[number] / row.sum()):.1f} %" if row.sum() else "-"
            lines.append(f"{name:<{first}}{cells}{error:>9}")
        return lines

    def _most_frequent_lines(self) -> list[str]:
        matrix = self.confusion
        np.fill_diagonal(matrix, 0)
        order = np.argsort(-matrix, axis=None, kind="stable")[:SHOWN]
        pairs = [(matrix.flat[place], *np.unravel_index(place, matrix.shape)) for place in order]
        names = self.class_names
        return [f"most frequent confusions of {len(names)} classes:"] + [
            f"label {names[label]}, predicted {names[predicted]}: {count}" for count, label, predicted in pairs if count
        ]


def classification_report(
    predictor: Predictor,
    split: Split,
    part: str,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] = lambda count: None,
) -> ClassificationReport:
    """Classifies the central crop of every readable image of a split.

    Args:
        predictor: the network.
        split: labeled images.
        part: `"train"` or `"validation"`, for the names of images without a file name.
        batch_size: images at a time.
        progress: called after each batch with the number of images so far.

    Raises:
        UserError: if no image is readable.
    """
    batches = predict_split(predictor, split, batch_size=batch_size, progress=progress)
    columns = [(batch.indices, batch.labels, batch.outputs) for batch in batches]
    if not columns:
        raise UserError("dataset must have a readable image to classify, got none")
    indices, labels, probabilities = (np.concatenate(column) for column in zip(*columns, strict=True))
    names = [name_of(split, part, index) for index in indices]
    return ClassificationReport(names, labels, probabilities.argmax(1), probabilities.max(1), predictor.class_names)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"


def _write_tsv(path: pathlib.Path, heading: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Writes tab-separated lines; a tab or line break inside a field becomes a space."""
    lines = ("\t".join(re.sub(r"[\t\r\n]", " ", str(field)) for field in row) for row in (heading, *rows))
    write_text(path, "\n".join(lines) + "\n")
