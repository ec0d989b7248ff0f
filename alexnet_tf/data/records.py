"""Prepared datasets: `records:DIR`, as `alexnet-tf prepare` writes them.

DIR/dataset.json                      the description, written last: without it the dataset is not finished
DIR/train-00000-of-00313.array_record the images: JPEG files, one per record; or
DIR/train-00000-of-00313.raw          uint8 pixels (images, size, size, 3) without a header
DIR/train.npy                         label of each image, int32
DIR/train.txt                         name of each image in the source dataset, one per line
DIR/validation…                       the same for the validation set
DIR/statistics.npz                    of the training images as stored
DIR/skipped.tsv                       split, name and reason of each file that was skipped; "-" for what is no file
"""

import pathlib

import numpy as np
import numpy.typing as npt

from alexnet_tf.data.arrays import read_npy
from alexnet_tf.data.description import SPLITS, SUFFIX_OF, Description, fingerprint, read_description
from alexnet_tf.data.record_files import allow_open_files, array_record
from alexnet_tf.data.record_splits import JpegRecords, RawSquares
from alexnet_tf.data.sources import Dataset
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.errors import UserError

DESCRIPTION, STATISTICS, SKIPPED, WORK = "dataset.json", "statistics.npz", "skipped.tsv", ".partial"
NO_SPLIT = "-"


def shard_name(split: str, number: int, shards: int, image_format: str) -> str:
    """The file name of a shard."""
    return f"{split}-{number:05d}-of-{shards:05d}.{SUFFIX_OF[image_format]}"


def open_records(name: str, path: str, seed: int) -> Dataset:
    """Opens a prepared dataset; `seed` has no effect.

    Raises:
        UserError: if there is none, it is not finished or damaged, it has another format version, or it needs a package
            that is not installed.
    """
    root = pathlib.Path(path).expanduser()
    if not (root / DESCRIPTION).is_file():
        state = "is not finished: rerun its alexnet-tf prepare" if (root / WORK).is_dir() else "is not one"
        raise UserError(f"dataset must name the folder of a prepared dataset, got {name!r}, which {state}")
    description = read_description(root / DESCRIPTION)
    if description.image_format == "jpeg":
        array_record("array_record_data_source")
    allow_open_files(sum(len(description.shards[split]) for split in SPLITS))
    train, validation = (_split(root, split, description) for split in SPLITS)
    dataset = Dataset(name, description.class_names, train, validation, Statistics.load(root / STATISTICS))
    for file, expected in description.fingerprints.items():
        if fingerprint(root / file) != expected:
            raise UserError(f"{root / file} is damaged, or of another dataset: prepare the dataset again")
    return dataset


def _split(root: pathlib.Path, split: str, description: Description) -> JpegRecords | RawSquares:
    shards = [(root / file, count) for file, count in description.shards[split]]
    for file, _ in shards:
        if not file.is_file():
            raise UserError(f"{file} is missing: prepare the dataset again")
    count, classes = sum(count for _, count in shards), len(description.class_names)
    labels, names = _labels(root / f"{split}.npy", count, classes), root / f"{split}.txt"
    if description.image_format == "jpeg":
        return JpegRecords(shards, labels, names)
    return RawSquares(shards, labels, names, description.size)


def _labels(file: pathlib.Path, count: int, classes: int) -> npt.NDArray[np.int32]:
    labels = read_npy(file)
    valid = labels.shape == (count,) and labels.dtype.kind == "i"
    if not (valid and count and 0 <= labels.min() and labels.max() < classes):
        raise UserError(f"{file} must be {count:,} labels from 0 to {classes - 1}: prepare the dataset again")
    return labels
