"""The checked reader of a prepared dataset's `dataset.json`."""

import dataclasses
import hashlib
import os
import pathlib
from typing import Any

from alexnet_tf import storage
from alexnet_tf.errors import UserError

FORMAT_VERSION = 1
SPLITS = ("train", "validation")
SUFFIX_OF = {"jpeg": "array_record", "raw": "raw"}
FORMATS = tuple(SUFFIX_OF)
MAX_SIZE = 4096
# How much of a shard its fingerprint is of: reading all of a large dataset would take minutes.
START_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class Description:
    """What readers need of a description; every value has the expected type and is within bounds.

    Attributes:
        class_names: names of the classes.
        image_format: one of `FORMATS`.
        size: the shorter side of the images in pixels.
        shards: {split: (file name, number of images) of each shard}.
        fingerprints: {file name: its `fingerprint`}; empty for datasets that were prepared before there were any.
    """

    class_names: tuple[str, ...]
    image_format: str
    size: int
    shards: dict[str, list[tuple[str, int]]]
    fingerprints: dict[str, str]


def read_description(path: str | os.PathLike) -> Description:
    """Reads and checks a description.

    Raises:
        UserError: if the file has another format version, or a value that `prepare` does not write.
    """
    fields = storage.read_json(path, FORMAT_VERSION)
    names, image_format, size, splits = (fields.get(key) for key in ("class_names", "format", "size", "splits"))
    shards, fingerprints = {split: _shards(splits, split) for split in SPLITS}, fields.get("fingerprints", {})
    rules = {
        "class_names, a list of strings": isinstance(names, list) and all(isinstance(name, str) for name in names),
        f"format, one of {', '.join(FORMATS)}": image_format in FORMATS,
        f"size, a whole number from 1 to {MAX_SIZE}": _is_count(size) and 1 <= int(size or 0) <= MAX_SIZE,
        "splits, the files and counts of shards": None not in shards.values() and set(splits or ()) == set(SPLITS),
        "fingerprints, a text for each file": isinstance(fingerprints, dict)
        and all(_is_name(name) and isinstance(text, str) for name, text in fingerprints.items()),
    }
    for rule, valid in rules.items():
        if not valid:
            raise UserError(f"{str(path)!r} must have {rule}. Prepare the dataset again")
    counts = {split: rows or [] for split, rows in shards.items()}
    return Description(tuple(names or ()), str(image_format), int(size or 0), counts, fingerprints)


def fingerprint(file: pathlib.Path) -> str:
    """A hash by which damage to a file of a prepared dataset is noticed when it is opened.

    Returns:
        The SHA-256 of the size and the content, of a shard only of its first 64 kB; empty if the file is missing.
    """
    if not file.is_file():
        return ""
    count = START_BYTES if file.suffix[1:] in SUFFIX_OF.values() else -1
    with open(file, "rb") as opened:
        return hashlib.sha256(f"{file.stat().st_size} ".encode() + opened.read(count)).hexdigest()


def _shards(splits: Any, split: str) -> list[tuple[str, int]] | None:
    """The shards of a split; None if they are not such as `prepare` writes."""
    fields = splits.get(split) if isinstance(splits, dict) else None
    if not isinstance(fields, dict) or not (_is_count(fields.get("count")) and _is_count(fields.get("skipped"))):
        return None
    rows = fields.get("shards")
    if not isinstance(rows, list) or not all(map(_is_shard, rows)):
        return None
    return [(row["file"], row["count"]) for row in rows]


def _is_count(value: Any) -> bool:
    # JSON's `true` is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_shard(row: Any) -> bool:
    return isinstance(row, dict) and _is_name(row.get("file")) and _is_count(row.get("count"))


def _is_name(file: Any) -> bool:
    """Whether a value is a name that stays inside the dataset's folder."""
    if not isinstance(file, str) or "\\" in file or not (file.isascii() and file.isprintable()):
        return False
    return file == pathlib.PurePosixPath(file).name and file != ".."
