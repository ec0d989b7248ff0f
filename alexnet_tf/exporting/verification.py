"""Verification of an export on another machine than the one that wrote it."""

import os
import pathlib
from typing import NamedTuple

from alexnet_tf.errors import UserError
from alexnet_tf.exporting.formats import FORMATS
from alexnet_tf.exporting.manifest import sha256_of
from alexnet_tf.inference.manifest import read_manifest


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
    """Checks the hash of every file of an export, and each format's prediction for the test image.

    Args:
        directory: the export.

    Raises:
        UserError: if the directory holds no export, or a file is missing or changed.
    """
    directory = pathlib.Path(directory)
    manifest = read_manifest(directory)
    changed = [name for name, digest in manifest.sha256.items() if sha256_of(directory / name) != digest]
    if changed:
        raise UserError(f"{str(directory)!r} has missing or changed files: {', '.join(changed)}")
    test, results = manifest.test, []
    encoded = (directory / test.image).read_bytes()
    for name in manifest.formats:
        if name not in FORMATS:
            raise UserError(f"{str(directory)!r} has the unknown format {name!r}; known are {', '.join(FORMATS)}")
        form = FORMATS[name]
        predictor = form.open(directory / form.file, manifest.class_names, manifest.preprocessing)
        probabilities = dict(zip(predictor.class_names, map(float, predictor.predict(encoded)), strict=True))
        differences = [abs(probabilities[k] - p) for k, p in zip(test.labels, test.probabilities, strict=True)]
        same_top1 = max(probabilities, key=lambda label: probabilities[label]) == test.labels[0]
        results.append(Verification(name, max(differences) / test.probabilities[0], form.bound, same_top1))
    return results
