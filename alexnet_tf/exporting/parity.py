"""Comparison of an exported file with the Keras model on the same images."""

import dataclasses
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError
from alexnet_tf.exporting.accuracy import Accuracy
from alexnet_tf.exporting.formats import FORMATS
from alexnet_tf.inference.predictor import Predictor

# By how much the top-1 error of a recommended file may exceed the Keras model's: one percentage point, and a little
# for rounding.
RECOMMENDED_LOSS = 0.01 + 1e-9


class ParityError(UserError):
    """The probabilities of an exported file differ too much from those of the Keras model."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """One format against the Keras model.

    Attributes:
        format: one of `formats.FORMATS`.
        relative_error: largest difference of a probability, relative to the largest probability of the image.
        top1_agreement: fraction of images with the same most probable class.
        megabytes: size on disk, in 10^6 bytes.
        milliseconds: median time for one decoded and cropped image.
        accuracy: errors on labeled images; None if they were not measured.
    """

    format: str
    relative_error: float
    top1_agreement: float
    megabytes: float
    milliseconds: float
    accuracy: Accuracy | None = None

    def fields(self) -> dict[str, Any]:
        """As a dictionary for JSON, without an accuracy that was not measured."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def check_parity(
    name: str, path: pathlib.Path, exported: Predictor, predictor: Predictor, images: npt.NDArray[np.uint8]
) -> Parity:
    """As `compare`; raises ParityError if the relative error is larger than the bound of the format."""
    parity = compare(name, path, exported, predictor, images)
    # A comparison with NaN is False.
    if not parity.relative_error <= FORMATS[name].bound:
        raise ParityError(
            f"{name} differs from the Keras model by {parity.relative_error:.2g} (relative), more than "
            f"{FORMATS[name].bound:g}; nothing was exported"
        )
    return parity


def compare(
    name: str, path: pathlib.Path, exported: Predictor, predictor: Predictor, images: npt.NDArray[np.uint8]
) -> Parity:
    """Compares an exported file with the network that it was made from, image by image.

    Args:
        name: of the format.
        path: the exported file or directory.
        exported: the exported file as a predictor.
        predictor: the network.
        images: uint8 (images, crop, crop, 3).
    """
    expected = np.concatenate([predictor.probabilities(image[None]).numpy() for image in images])
    exported.compiled(images[:1])  # The first call is slow.
    rows, seconds = [], []
    for image in images:
        start = time.perf_counter()
        rows.append(exported.compiled(image[None]).numpy()[0])
        seconds.append(time.perf_counter() - start)
    actual = np.stack(rows)
    error = float(np.max(np.abs(actual - expected).max(-1) / expected.max(-1)))
    agreement = float(np.mean(actual.argmax(-1) == expected.argmax(-1)))
    return Parity(name, error, agreement, _bytes_on_disk(path) / 1e6, 1e3 * float(np.median(seconds)))


def _bytes_on_disk(path: pathlib.Path) -> int:
    """The size of a file, or of all files in a directory."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def recommended_tflite(rows: Sequence[Parity]) -> str | None:
    """The name of the TFLite file that an app should use; None if there is none.

    It is the smallest file whose top-1 error is at most one percentage point above that of the Keras model, or, if
    there is none, the file with the lowest error. If errors were not measured, it is the int8 file, or else the
    smallest.
    """
    rows = [row for row in rows if row.format.startswith("tflite")]
    if not rows:
        return None
    increases = {row.format: row.accuracy.top1_error - row.accuracy.keras_top1_error for row in rows if row.accuracy}
    if increases:
        limit = max(RECOMMENDED_LOSS, min(increases.values()))
        rows = [row for row in rows if increases[row.format] <= limit]
    else:
        rows = [row for row in rows if row.format == "tflite_int8"] or rows
    return FORMATS[min(rows, key=lambda row: row.megabytes).format].file
