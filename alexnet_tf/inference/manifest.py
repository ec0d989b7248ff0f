"""The checked reader of an export's `manifest.json`; `alexnet_tf.exporting.manifest` writes it."""

import dataclasses
import math
import os
import pathlib
import re
from typing import Any

from alexnet_tf.data.sources import check_class_names
from alexnet_tf.errors import UserError
from alexnet_tf.inference.predictor import InputPreprocessing
from alexnet_tf.storage import read_json

MANIFEST, CARD, LABELS, TEST_IMAGE = "manifest.json", "model_card.md", "labels.txt", "test_image.png"
VERSION = 1
# Beyond any AlexNet. An image with sides of 1:100 takes 1.3 GB while its shorter side is resized to 1024 pixels.
MAX_SIDE, MAX_CLASSES = 1024, 100_000
# Of the file; a thousand classes and a dozen files take 100 kB.
MAX_BYTES = 16_000_000


@dataclasses.dataclass(frozen=True)
class ExpectedPrediction:
    """What the exported network predicts for the test image beside it.

    Attributes:
        image: file name of the image.
        labels, probabilities: the best classes, best first.
    """

    image: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of a manifest; every value has the expected type and is within bounds.

    Attributes:
        class_names: names of the classes in the order of the outputs.
        preprocessing: sizes; the mean is subtracted inside the exported files.
        formats: names of the exported formats.
        test: the prediction to verify the export with.
        sha256: {path below the export: hexadecimal digest} of its files.
    """

    class_names: tuple[str, ...]
    preprocessing: InputPreprocessing
    formats: tuple[str, ...]
    test: ExpectedPrediction
    sha256: dict[str, str]


def read_manifest(directory: str | os.PathLike) -> Manifest:
    """Reads and checks the manifest of an export.

    Args:
        directory: the export.

    Raises:
        UserError: if the manifest is missing, has another format version, or a value of the wrong type or size.
    """
    file = pathlib.Path(directory) / MANIFEST
    if not file.is_file():
        raise UserError(f"{str(directory)!r} must hold an export: it has no {MANIFEST}")
    if file.stat().st_size > MAX_BYTES:
        raise UserError(f"{str(file)!r} must have at most {MAX_BYTES:,} bytes, got {file.stat().st_size:,}")
    fields = _Fields(str(file), read_json(file, VERSION))
    resize = fields.integer("resize", 1, MAX_SIDE)
    preprocessing = InputPreprocessing(resize, fields.integer("crop", 1, resize))
    class_names = fields.strings("classes", MAX_CLASSES)
    check_class_names(class_names, fields.where)
    formats = tuple(row.string("format") for row in fields.objects("parity"))
    fields.check("parity", bool(formats), "a list of at least one format")
    test = fields.object("test")
    labels, probabilities = test.strings("labels", len(class_names)), test.fractions("probabilities")
    test.check("labels", set(labels) <= set(class_names), "some of the classes")
    test.check("probabilities", len(probabilities) == len(labels), "one number for each label")
    test.check("probabilities", probabilities[0] > 0, "greater than 0 for the first label")
    return Manifest(
        class_names,
        preprocessing,
        formats,
        ExpectedPrediction(test.relative_path("image"), labels, probabilities),
        fields.object("files").digests(),
    )


@dataclasses.dataclass(frozen=True)
class _Fields:
    """A JSON object whose values are checked as they are read.

    Attributes:
        where: the file, and the path to the object inside it, for messages.
        values: the object.
    """

    where: str
    values: dict[str, Any]

    def check(self, name: str, valid: bool, rule: str) -> None:
        """Raises UserError that names the field and the rule unless `valid`."""
        if not valid:
            raise UserError(f"{self.where}: {name} must be {rule}, got {repr(self.values.get(name))[:100]}")

    def integer(self, name: str, least: int, most: int) -> int:
        value = self.values.get(name)
        # JSON's `true` is an int to Python.
        valid = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        self.check(name, valid, f"a whole number from {least} to {most}")
        return value  # type: ignore[return-value]

    def string(self, name: str) -> str:
        value = self.values.get(name)
        self.check(name, isinstance(value, str), "a string")
        return value  # type: ignore[return-value]

    def strings(self, name: str, most: int) -> tuple[str, ...]:
        value = self.values.get(name)
        valid = isinstance(value, list) and 1 <= len(value) <= most and all(isinstance(item, str) for item in value)
        self.check(name, valid, f"a list of 1 to {most} strings")
        return tuple(value)  # type: ignore[arg-type]

    def fractions(self, name: str) -> tuple[float, ...]:
        value = self.values.get(name)
        numbers = value if isinstance(value, list) and value else [math.nan]
        valid = all(type(number) in (int, float) and 0 <= number <= 1 for number in numbers)
        self.check(name, valid, "a list of numbers from 0 to 1")
        return tuple(map(float, numbers))

    def object(self, name: str) -> "_Fields":
        value = self.values.get(name)
        self.check(name, isinstance(value, dict), "an object")
        return _Fields(f"{self.where}: {name}", value)  # type: ignore[arg-type]

    def objects(self, name: str) -> list["_Fields"]:
        value = self.values.get(name)
        valid = isinstance(value, list) and all(isinstance(item, dict) for item in value)
        self.check(name, valid, "a list of objects")
        return [_Fields(f"{self.where}: {name}", item) for item in value]  # type: ignore[union-attr]

    def digests(self) -> dict[str, str]:
        """{path: its "sha256"} of an object whose names are paths."""
        digests = {}
        for path in self.values:
            if not _is_inside(path):
                raise UserError(f"{self.where}: path must be inside the export, got {path[:100]!r}")
            file = self.object(path)
            digests[path] = file.string("sha256")
            file.check("sha256", bool(re.fullmatch("[0-9a-f]{64}", digests[path])), "64 hexadecimal digits")
        return digests

    def relative_path(self, name: str) -> str:
        value = self.string(name)
        self.check(name, _is_inside(value), "a path inside the export")
        return value


def _is_inside(path: str) -> bool:
    """Whether a path from a manifest, which anyone may have written, stays below the export's directory."""
    parts = pathlib.PurePosixPath(path)
    return bool(path) and not parts.is_absolute() and ".." not in parts.parts and "\\" not in path
