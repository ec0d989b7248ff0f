"""Prepared sets: `records:DIR`, as `alexnet-tf prepare` writes them.

DIR/dataset.json                      the description, written last: without it a set is not finished
DIR/train-00000-of-00313.array_record the images: JPEG files, one a record; or
DIR/train-00000-of-00313.raw          uint8 pixels (images, size, size, 3) without a header
DIR/train.npy                         label of each, int32
DIR/train.txt                         the name that each came by, one a line
DIR/validation…                       the same
DIR/statistics.npz                    of the training images as they are stored
DIR/skipped.tsv                       part, name and reason of each file that was left out
"""

import bisect
import dataclasses
import functools
import itertools
import json
import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.data import decoding, images
from alexnet_tf.data.sources import Dataset, IndexedSplit
from alexnet_tf.data.statistics import Statistics

DESCRIPTION, STATISTICS, SKIPPED, WORK = "dataset.json", "statistics.npz", "skipped.tsv", ".partial"
VERSION = 1
SPLITS = ("train", "validation")
SUFFIX_OF = {"jpeg": "array_record", "raw": "raw"}
FORMATS = tuple(SUFFIX_OF)


def shard_name(split, number, shards, form):
    """The file name of a shard."""
    return f"{split}-{number:05d}-of-{shards:05d}.{SUFFIX_OF[form]}"


def open_records(name, path, seed):
    """Opens a prepared set; `seed` changes nothing.

    Raises:
        ValueError: if there is none, it is not finished, cut short, or was written by a later version.
    """
    root = pathlib.Path(path).expanduser()
    if not (root / DESCRIPTION).is_file():
        state = "is not finished; give its alexnet-tf prepare again" if (root / WORK).is_dir() else "has none"
        raise ValueError(f"dataset must name a folder with a prepared set. Received: dataset={name!r}, which {state}")
    description = json.loads((root / DESCRIPTION).read_text())
    if description["version"] > VERSION:
        raise ValueError(f"dataset {name!r} was prepared by a later version of alexnet-tf, which is needed to read it")
    splits = (_split(root, split, description) for split in SPLITS)
    return Dataset(name, tuple(description["class_names"]), *splits, Statistics.load(root / STATISTICS))


def _split(root, split, description):
    labels, names = np.load(root / f"{split}.npy"), root / f"{split}.txt"
    shards = [(root / shard["file"], shard["count"]) for shard in description["splits"][split]["shards"]]
    for file, _ in shards:
        if not file.is_file():
            raise ValueError(f"{file} is missing; prepare the set again")
    return (
        _JpegRecords(shards, labels, names)
        if description["format"] == "jpeg"
        else _RawSquares(shards, labels, names, description["size"])
    )


class _Records(IndexedSplit):
    """Records with their labels, and a file with their names."""

    def __init__(self, labels, names):
        super().__init__(len(labels), self._load, self._fetch)
        self.labels, self._names = labels, names

    @functools.cached_property
    def names(self):
        return self._names.read_text().splitlines()


class _JpegRecords(_Records):
    """JPEG files in ArrayRecords; any can be read at any time, so an epoch's order is a true permutation of all."""

    def __init__(self, shards, labels, names):
        super().__init__(labels, names)
        self._shards = shards

    @functools.cached_property
    def _source(self):
        # Imported when it is needed: it defines absl flags of its own.
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        return ArrayRecordDataSource([_Shard(str(file), 0, count, count) for file, count in self._shards])

    def _records_at(self, indices):
        return np.array(self._source.__getitems__(indices.tolist()), object)

    def _fetch(self, indices):
        record = tf.numpy_function(self._records_at, [indices], tf.string)
        return {"record": tf.ensure_shape(record, indices.shape), "label": _at(self.labels, indices)}

    def _load(self, example, crop):
        image = decoding.crop_from_file(example["record"], crop.resize_crop, example["offset"], crop.exact)
        return {"image": image, "label": example["label"], "weight": tf.ones([])}


@dataclasses.dataclass(frozen=True)
class _Shard:
    """A shard in the words of ArrayRecord's reader, which then need not open all of them to count."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


class _RawSquares(_Records):
    """Squares of pixels, read where they lie: a window costs one copy."""

    def __init__(self, shards, labels, names, side):
        super().__init__(labels, names)
        self._side = side
        shards = [(file, count) for file, count in shards if count]
        for file, count in shards:
            if file.stat().st_size != count * side * side * 3:
                raise ValueError(f"{file} must have {count * side * side * 3} bytes; prepare the set again")
        self._maps = [np.memmap(file, np.uint8, "r", shape=(count, side, side, 3)) for file, count in shards]
        self._starts = [0, *itertools.accumulate(count for _, count in shards)]

    def _square(self, index):
        shard = bisect.bisect_right(self._starts, index) - 1
        return self._maps[shard][index - self._starts[shard]]

    def _windows(self, indices, corners, crop):
        """Windows, int64 (size,) and int32 (size, 2) to uint8 (size, crop, crop, 3), cut in one call a step."""

        def cut(indices, corners):
            windows = np.empty([len(indices), crop, crop, 3], np.uint8)
            for window, index, (y, x) in zip(windows, indices, corners, strict=True):
                window[:] = self._square(index)[y : y + crop, x : x + crop]
            return windows

        return tf.ensure_shape(tf.numpy_function(cut, [indices, corners], tf.uint8), [*indices.shape, crop, crop, 3])

    def _fetch(self, indices):
        squares = self._windows(indices, tf.zeros([*indices.shape, 2], tf.int32), self._side)
        return {"square": squares, "label": _at(self.labels, indices)}

    def _load(self, example, crop):
        image = images.crop_from_pixels(example["square"], crop.resize_crop, example["offset"])
        return {"image": image, "label": example["label"], "weight": tf.ones([])}

    def read(self, sampler, crop):
        """See `Split.read`; squares of the right size need no resizing, and are read window by window."""
        if crop.resize_crop.resize != self._side:
            return super().read(sampler, crop)

        def load(step):
            indices = sampler.indices(step, self.count)
            corners = images.corner_of(tf.fill([2], self._side), crop.resize_crop, crop.of_step(step, sampler))
            windows = self._windows(indices, corners, crop.resize_crop.crop)
            return {"image": windows, "label": _at(self.labels, indices), "weight": tf.ones(indices.shape)}

        return sampler.dataset().map(load, tf.data.AUTOTUNE)


def _at(labels, indices):
    return tf.gather(tf.constant(labels, tf.int64), indices)
