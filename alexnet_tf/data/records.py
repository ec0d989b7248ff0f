"""Prepared datasets: `records:DIR`, as `alexnet-tf prepare` writes them.

DIR/dataset.json                      the description, written last: without it the dataset is not finished
DIR/train-00000-of-00313.array_record the images: JPEG files, one per record; or
DIR/train-00000-of-00313.raw          uint8 pixels (images, size, size, 3) without a header
DIR/train.npy                         label of each image, int32
DIR/train.txt                         name of each image in the source dataset, one per line
DIR/validation…                       the same for the validation set
DIR/statistics.npz                    of the training images as stored
DIR/skipped.tsv                       split, name and reason of each file that was skipped
"""

import pathlib
from typing import Any

import numpy as np

from alexnet_tf import storage
from alexnet_tf.data.record_splits import JpegRecords, RawSquares
from alexnet_tf.data.sources import Dataset
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError

DESCRIPTION, STATISTICS, SKIPPED, WORK = "dataset.json", "statistics.npz", "skipped.tsv", ".partial"
FORMAT_VERSION = 1
SPLITS = ("train", "validation")
SUFFIX_OF = {"jpeg": "array_record", "raw": "raw"}
FORMATS = tuple(SUFFIX_OF)


def shard_name(split: str, number: int, shards: int, image_format: str) -> str:
    """The file name of a shard."""
    return f"{split}-{number:05d}-of-{shards:05d}.{SUFFIX_OF[image_format]}"


def open_records(name: str, path: str, seed: int) -> Dataset:
    """Opens a prepared dataset; `seed` has no effect.

    Raises:
        UserError: if there is none, it is not finished or damaged, or it has another format version.
    """
    root = pathlib.Path(path).expanduser()
    if not (root / DESCRIPTION).is_file():
        state = "is not finished: rerun its alexnet-tf prepare" if (root / WORK).is_dir() else "is not one"
        raise UserError(f"dataset must name the folder of a prepared dataset, got {name!r}, which {state}")
    description = storage.read_json(root / DESCRIPTION, FORMAT_VERSION)
    train, validation = (_split(root, split, description) for split in SPLITS)
    return Dataset(name, tuple(description["class_names"]), train, validation, Statistics.load(root / STATISTICS))


def _split(root: pathlib.Path, split: str, description: dict[str, Any]) -> JpegRecords | RawSquares:
    labels, names = np.load(root / f"{split}.npy"), root / f"{split}.txt"
    shards = [(root / shard["file"], shard["count"]) for shard in description["splits"][split]["shards"]]
    for file, _ in shards:
        if not file.is_file():
            raise UserError(f"{file} is missing: prepare the dataset again")
    if description["format"] == "jpeg":
        return JpegRecords(shards, labels, names)
    return RawSquares(shards, labels, names, description["size"])
