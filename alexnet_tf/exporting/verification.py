"""Verification of an export on another machine than the one that wrote it."""

import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError
from alexnet_tf.exporting.formats import FORMATS
from alexnet_tf.inference.integrity import check_files
from alexnet_tf.inference.manifest import CARD, MANIFEST, ExpectedPrediction, Manifest, read_manifest


class Verification(NamedTuple):
    """What one format of an export predicts for the export's test image.

    Attributes:
        format: name of the format.
        relative_error: largest difference of the expected probabilities, relative to the largest.
        bound: largest relative error that is allowed.
        same_top1: whether the most probable class is the expected one.
    """

    format: str
    relative_error: float
    bound: float
    same_top1: bool

    @property
    def passed(self) -> bool:
        """Whether the relative error is within the bound."""
        return self.relative_error <= self.bound


def verify(directory: str | os.PathLike) -> list[Verification]:
    """Checks the sum of every file of an export, and each format's prediction for the test image.

    The files must be exactly those that the manifest lists; only the manifest and the model card have no sums. Equal
    sums tell that nothing was lost or changed by accident, not who made the export.

    Args:
        directory: the export.

    Raises:
        UserError: if the directory holds no export, or a file is missing, changed or not listed.
    """
    directory = pathlib.Path(directory)
    manifest = read_manifest(directory)
    check_files(directory, manifest.sha256, unlisted=(MANIFEST, CARD))
    _check_formats(directory, manifest)
    test, results = manifest.test, []
    encoded = (directory / test.image).read_bytes()
    for name in manifest.formats:
        form = FORMATS[name]
        predictor = form.open(directory / form.file, manifest.class_names, manifest.preprocessing)
        probabilities = predictor.predict(encoded)
        error = _largest_difference(test, predictor.class_names, probabilities) / test.probabilities[0]
        same_top1 = predictor.class_names[probabilities.argmax()] == test.labels[0]
        results.append(Verification(name, error, form.bound, same_top1))
    return results


def _largest_difference(
    test: ExpectedPrediction, class_names: Sequence[str], probabilities: npt.NDArray[np.float32]
) -> float:
    """The largest difference from an expected probability; of classes with the same name, the nearest one counts."""
    names = np.array(class_names)
    differences = [
        np.abs(probabilities[names == label] - probability).min()
        for label, probability in zip(test.labels, test.probabilities, strict=True)
    ]
    return float(np.max(differences))


def _check_formats(directory: pathlib.Path, manifest: Manifest) -> None:
    """Raises UserError unless the test image and exactly the files of the manifest's formats are listed."""
    unknown = set(manifest.formats) - set(FORMATS)
    if unknown:
        raise UserError(
            f"{str(directory)!r} must have formats among {', '.join(FORMATS)}, got {', '.join(sorted(unknown)):.200}"
        )
    listed = {name.partition("/")[0] for name in manifest.sha256}
    formats = {name for name, form in FORMATS.items() if form.file in listed}
    if formats != set(manifest.formats) or manifest.test.image not in manifest.sha256:
        raise UserError(
            f"{str(directory)!r} must list the test image and the files of the formats that it was compared in "
            f"({', '.join(manifest.formats)}), got {', '.join(sorted(listed))}"
        )
