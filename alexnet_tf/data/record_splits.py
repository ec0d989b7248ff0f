"""Splits of prepared records: JPEG files in ArrayRecords, or raw pixels."""

import bisect
import functools
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data import images
from alexnet_tf.data.file_crop import crop_from_file
from alexnet_tf.data.indexed_split import Example, IndexedSplit
from alexnet_tf.data.record_files import RecordFiles, Shards
from alexnet_tf.data.sampling import Crop, Sampler
from alexnet_tf.errors import UserError


class _Records(IndexedSplit):
    """Records with their labels, and a file with their names."""

    def __init__(self, labels: npt.NDArray[Any], names: pathlib.Path) -> None:
        super().__init__(len(labels), self._load, self._fetch)
        self._labels, self._names = labels, names

    @property
    def labels(self) -> npt.NDArray[Any]:
        return self._labels

    @functools.cached_property
    def _name_list(self) -> list[str]:
        try:
            names = self._names.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self._names} cannot be read: {error}; prepare the dataset again") from error
        if len(names) != self.count:
            raise UserError(
                f"{self._names} must have {self.count:,} lines, got {len(names):,}; prepare the dataset again"
            )
        return names

    @property
    def names(self) -> Sequence[str]:
        return self._name_list

    def _fetch(self, indices: tf.Tensor) -> Example:
        raise NotImplementedError

    def _load(self, example: Example, crop: Crop) -> Example:
        raise NotImplementedError

    def _labels_at(self, indices: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.constant(self.labels, tf.int64), indices)


class JpegRecords(_Records):
    """JPEG files in ArrayRecords; any can be read at any time, so each epoch is a random permutation of all."""

    def __init__(self, shards: Shards, labels: npt.NDArray[Any], names: pathlib.Path) -> None:
        super().__init__(labels, names)
        self._shards = shards

    @functools.cached_property
    def _source(self) -> RecordFiles:
        return RecordFiles(self._shards)

    def _records_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        return np.array(self._source.read(indices.tolist()), object)

    def _fetch(self, indices: tf.Tensor) -> Example:
        record = tf.numpy_function(self._records_at, [indices], tf.string)
        return {"record": tf.ensure_shape(record, indices.shape), "label": self._labels_at(indices)}

    def _load(self, example: Example, crop: Crop) -> Example:
        image = crop_from_file(example["record"], crop.resize_crop, example["offset"], crop.exact)
        return {"image": image, "label": example["label"], "weight": tf.ones([])}


class RawSquares(_Records):
    """Squares of pixels in memory-mapped files: reading a crop is one copy."""

    def __init__(self, shards: Shards, labels: npt.NDArray[Any], names: pathlib.Path, side: int) -> None:
        super().__init__(labels, names)
        self._side = side
        shards = [(file, count) for file, count in shards if count]
        for file, count in shards:
            size = count * side * side * 3
            if file.stat().st_size != size:
                raise UserError(f"{file} must have {size} bytes, got {file.stat().st_size}: prepare the dataset again")
        self._maps = [np.memmap(file, np.uint8, "r", shape=(count, side, side, 3)) for file, count in shards]
        self._starts = [0, *itertools.accumulate(count for _, count in shards)]

    def _square(self, index: int) -> npt.NDArray[np.uint8]:
        shard = bisect.bisect_right(self._starts, index) - 1
        return self._maps[shard][index - self._starts[shard]]

    def _crops(self, indices: tf.Tensor, corners: tf.Tensor, size: int) -> tf.Tensor:
        """Crops, from int64 (count,) and int32 (count, 2) to uint8 (count, size, size, 3), all in one call."""

        def crops(indices: npt.NDArray[np.int64], corners: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
            result = np.empty([len(indices), size, size, 3], np.uint8)
            for crop, index, (y, x) in zip(result, indices, corners, strict=True):
                crop[:] = self._square(index)[y : y + size, x : x + size]
            return result

        return tf.ensure_shape(tf.numpy_function(crops, [indices, corners], tf.uint8), [*indices.shape, size, size, 3])

    def _fetch(self, indices: tf.Tensor) -> Example:
        squares = self._crops(indices, tf.zeros([*indices.shape, 2], tf.int32), self._side)
        return {"square": squares, "label": self._labels_at(indices)}

    def _load(self, example: Example, crop: Crop) -> Example:
        image = images.crop_from_pixels(example["square"], crop.resize_crop, example["offset"])
        return {"image": image, "label": example["label"], "weight": tf.ones([])}

    def read(self, sampler: Sampler, crop: Crop) -> tf.data.Dataset:
        """See `Split.read`. Squares of the right size need no resizing, so that only crops are read."""
        if crop.resize_crop.resize != self._side:
            return super().read(sampler, crop)

        def load(step: tf.Tensor) -> Example:
            indices = sampler.indices(step, self.count)
            corners = images.corner_of(tf.fill([2], self._side), crop.resize_crop, crop.of_step(step, sampler))
            crops = self._crops(indices, corners, crop.resize_crop.crop)
            return {"image": crops, "label": self._labels_at(indices), "weight": tf.ones(indices.shape)}

        return sampler.dataset().map(load, tf.data.AUTOTUNE)
