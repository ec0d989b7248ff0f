"""The checked reader of a prepared dataset's `dataset.json`."""

import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Description:
    """What readers need of a description; every value has the expected type and is within bounds.

    Attributes:
        class_names: names of the classes.
        image_format: one of `FORMATS`.
        size: the shorter side of the images in pixels.
        shards: {split: (file name, number of images) of each shard}.
    """

    class_names: tuple[str, ...]
    image_format: str
    size: int
    shards: dict[str, list[tuple[str, int]]]


def read_description(path: str | os.PathLike) -> Description:
    """Reads and checks a description.

    Raises:
        UserError: if the file has another format version, or a value that `prepare` does not write.
    """
    fields = storage.read_json(path, FORMAT_VERSION)
    names, image_format, size, splits = (fields.get(key) for key in ("class_names", "format", "size", "splits"))
    shards = {split: _shards(splits, split) for split in SPLITS}
    rules = {
        "class_names, a list of strings": isinstance(names, list) and all(isinstance(name, str) for name in names),
        f"format, one of {', '.join(FORMATS)}": image_format in FORMATS,
        f"size, a whole number from 1 to {MAX_SIZE}": _is_count(size) and 1 <= int(size or 0) <= MAX_SIZE,
        "splits, the files and counts of shards": None not in shards.values(),
    }
    for rule, valid in rules.items():
        if not valid:
            raise UserError(f"{str(path)!r} must have {rule}. Prepare the dataset again")
    return Description(tuple(names or ()), str(image_format), int(size or 0), {k: v or [] for k, v in shards.items()})


def _shards(splits: Any, split: str) -> list[tuple[str, int]] | None:
    """The shards of a split; None if they are not such as `prepare` writes."""
    fields = splits.get(split) if isinstance(splits, dict) else None
    rows = fields.get("shards") if isinstance(fields, dict) else None
    if not isinstance(rows, list) or not all(map(_is_shard, rows)):
        return None
    return [(row["file"], row["count"]) for row in rows]


def _is_count(value: Any) -> bool:
    # JSON's `true` is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_shard(row: Any) -> bool:
    """Whether a shard has a count, and a name that stays inside the dataset's folder."""
    if not isinstance(row, dict) or not isinstance(row.get("file"), str) or not _is_count(row.get("count")):
        return False
    file = row["file"]
    return "\\" not in file and "\0" not in file and file == pathlib.PurePosixPath(file).name and file != ".."
