"""Prepared sets: `records:DIR`, as `alexnet-tf prepare` writes them.

DIR/dataset.json                      the description, written last: without it a set is not finished
DIR/train-00000-of-00313.array_record the images: JPEG files, or raw pixels (height, width, 3), one a record
DIR/train.npz                         label, height and width of each, int32
DIR/train.txt                         the name that each came by, one a line
DIR/validation…                       the same
DIR/statistics.npz                    of the training images as they are stored
DIR/skipped.tsv                       part, name and reason of each file that was left out
"""

import dataclasses
import functools
import json
import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.data import files, images
from alexnet_tf.data.sources import Dataset, IndexedSplit
from alexnet_tf.data.statistics import Statistics

DESCRIPTION, STATISTICS, SKIPPED, WORK = "dataset.json", "statistics.npz", "skipped.tsv", ".partial"
VERSION = 1
SPLITS = ("train", "validation")
FORMATS = ("jpeg", "raw")


def shard_name(split, number, shards):
    """The file name of a shard."""
    return f"{split}-{number:05d}-of-{shards:05d}.array_record"


def open_records(name, path, seed):
    """Opens a prepared set; `seed` changes nothing.

    Raises:
        ValueError: if there is none, it is not finished, or it was written by a later version.
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
    with np.load(root / f"{split}.npz") as index:
        index = {key: index[key] for key in index.files}
    shards = [_Shard(str(root / s["file"]), 0, s["count"], s["count"]) for s in description["splits"][split]["shards"]]
    kind = _JpegRecords if description["format"] == "jpeg" else _RawRecords
    return kind(shards, index, description)


@dataclasses.dataclass(frozen=True)
class _Shard:
    """A shard in the words of ArrayRecord's reader, which then need not open all of them to count."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


class _Records(IndexedSplit):
    """A split of records; any can be read at any time, so an epoch's order is a true permutation of all."""

    def __init__(self, shards, index, description):
        super().__init__(len(index["label"]), self._load, self._fetch)
        for field, value in {"shards": shards, "index": index, "description": description}.items():
            object.__setattr__(self, field, value)

    @functools.cached_property
    def _source(self):
        # Imported when it is needed: it defines absl flags of its own.
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        return ArrayRecordDataSource(self.shards)

    def _records_at(self, indices):
        return self._source.__getitems__(indices.tolist())

    def _fetch(self, indices):
        def read(indices):
            return np.array(self._records_at(indices), object)

        record = tf.ensure_shape(tf.numpy_function(read, [indices], tf.string), indices.shape)
        parts = {key: tf.gather(tf.constant(values), indices) for key, values in self.index.items()}
        return {"record": record, **parts}

    def _load(self, example, window):
        image = self._window(example, window)
        return {"image": image, "label": tf.cast(example["label"], tf.int64), "weight": tf.ones([])}


class _JpegRecords(_Records):
    def _window(self, example, window):
        return files.window_of_file(example["record"], window.geometry, example["place"], window.exact)


class _RawRecords(_Records):
    def _window(self, example, window):
        pixels = tf.io.decode_raw(example["record"], tf.uint8)
        image = tf.reshape(pixels, [example["height"], example["width"], 3])
        return images.window_of_pixels(image, window.geometry, example["place"])

    def read(self, order, window):
        """See `Split.read`; images of the right size are cut in one go a step, which is several times as fast."""
        if not (self.description["square"] and self.description["size"] == window.geometry.resize):
            return super().read(order, window)
        labels = tf.constant(self.index["label"], tf.int64)
        geometry = window.geometry

        def cut(indices, corners):
            windows = np.empty([len(indices), geometry.crop, geometry.crop, 3], np.uint8)
            side = geometry.resize
            for out, record, (y, x) in zip(windows, self._records_at(indices), corners, strict=True):
                image = np.frombuffer(record, np.uint8).reshape(side, side, 3)
                out[:] = image[y : y + geometry.crop, x : x + geometry.crop]
            return windows

        def load(step):
            indices = order.indices(step, self.count)
            corners = images.corner_of(tf.fill([2], geometry.resize), geometry, window.of_step(step, order))
            image = tf.numpy_function(cut, [indices, corners], tf.uint8)
            return {
                "image": tf.ensure_shape(image, [order.size, geometry.crop, geometry.crop, 3]),
                "label": tf.gather(labels, indices),
                "weight": tf.ones([order.size]),
            }

        return order.dataset().map(load, tf.data.AUTOTUNE)
