"""Splits of image files, in folders or inside tars."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.file_crop import crop_from_file
from alexnet_tf.data.held_out import File, FilesByClass
from alexnet_tf.data.sampling import Crop, Sampler
from alexnet_tf.data.sources import Original, check_class_names
from alexnet_tf.data.undecodable import Example, at_positions, decodable_images
from alexnet_tf.errors import UserError

# How many skipped files a report names; all are counted.
NAMED = 20
# Steps that are read at a time, so that the last images of one step do not delay the next.
STEPS_AHEAD = 2


class FileSplit:
    """A `sources.ImageFileSplit`. Missing and undecodable files have weight 0 and are named in `skipped`.

    Args:
        names: name of each file, as the user knows it.
        labels: int64 (count,).
        read_file: from an index to a file's bytes; raises OSError.
        read_tensor: the same as a TensorFlow function, from an int64 scalar to a string scalar.
        size_of: from an index to a file's size in bytes; raises OSError.
    """

    def __init__(
        self,
        names: Sequence[str],
        labels: npt.NDArray[np.int64],
        read_file: Callable[[int], bytes],
        read_tensor: Callable[[tf.Tensor], tf.Tensor],
        size_of: Callable[[int], int],
    ) -> None:
        self.names, self.labels, self.count = names, np.asarray(labels, np.int64), len(names)
        self.skipped: set[str] = set()
        self._read_file, self._read_tensor, self._size_of = read_file, read_tensor, size_of

    def sizes(self) -> list[int]:
        """The size of each file in bytes; -1 for those that are gone."""
        return [self._size(index) for index in range(self.count)]

    def _size(self, index: int) -> int:
        try:
            return self._size_of(index)
        except OSError:
            return -1

    def originals(self, start: int, stop: int) -> Iterator[Original]:
        """See `ImageFileSplit.originals`."""
        for index in range(start, stop):
            yield Original(self.names[index], int(self.labels[index]), functools.partial(self._read_file, index))

    def read(self, sampler: Sampler, crop: Crop) -> tf.data.Dataset:
        """See `Split.read`."""

        def load(example: Example) -> tf.Tensor:
            encoded = self._read_tensor(example["index"])
            return crop_from_file(encoded, crop.resize_crop, example["offset"], crop.exact)

        def batch_of(step: tf.Tensor) -> tf.data.Dataset:
            indices = sampler.indices(step, self.count)
            examples = {"index": indices, "offset": crop.of_step(step, sampler)}
            dataset = decodable_images(examples, load, crop.resize_crop.crop, os.cpu_count() or 1)
            return dataset.map(lambda positions, images: self._batch(positions, images, indices))

        return sampler.dataset().interleave(
            batch_of, cycle_length=STEPS_AHEAD, num_parallel_calls=STEPS_AHEAD, deterministic=True
        )

    def _batch(self, positions: tf.Tensor, images: tf.Tensor, indices: tf.Tensor) -> Example:
        """A step's batch; undecodable images are black, have weight 0 and are noted."""
        size = indices.shape[0]

        def with_gaps() -> tuple[tf.Tensor, tf.Tensor]:
            missing = tf.sparse.to_dense(tf.sets.difference(tf.range(size)[None], positions[None]))[0]
            noted = tf.numpy_function(self._note, [tf.gather(indices, missing)], [])
            with tf.control_dependencies([noted]):
                spread, decodable = at_positions(positions, images, size)
                return spread, tf.cast(decodable, tf.float32)

        whole = tf.equal(tf.size(positions), size)
        batch, weights = tf.cond(whole, lambda: (images, tf.ones([size])), with_gaps)
        return {
            "image": tf.ensure_shape(batch, [size, *images.shape[1:]]),
            "label": tf.gather(tf.constant(self.labels), indices),
            "weight": tf.ensure_shape(weights, [size]),
        }

    def _note(self, indices: npt.NDArray[np.int64]) -> None:
        self.skipped.update(self.names[index] for index in indices)


def picked(splits: Sequence[FileSplit], picks: Sequence[tuple[int, int]]) -> FileSplit:
    """A split of the files of others.

    Args:
        splits: the others.
        picks: for each file, the number of its split, and its index in there.
    """
    sources, indices = (tf.constant(column, tf.int64) for column in zip(*picks, strict=True))

    def read_tensor(index: tf.Tensor) -> tf.Tensor:
        branches = [functools.partial(split._read_tensor, indices[index]) for split in splits]
        return tf.switch_case(tf.cast(sources[index], tf.int32), branches)

    return FileSplit(
        [splits[source].names[index] for source, index in picks],
        np.array([splits[source].labels[index] for source, index in picks], np.int64),
        lambda index: splits[picks[index][0]]._read_file(picks[index][1]),
        read_tensor,
        lambda index: splits[picks[index][0]]._size_of(picks[index][1]),
    )


def check_classes(by_class: FilesByClass, name: str, form: str) -> None:
    """Checks {class name: files} of the dataset `name`; `form` says what a class looks like.

    Raises:
        UserError: if there are fewer than two classes, one is empty, or its name is not printable.
    """
    check_class_names(by_class, f"dataset {name!r}")
    if len(by_class) < 2:
        raise UserError(f"dataset must have at least 2 classes, each {form}, got {name!r} with {len(by_class)}")
    empty = [class_name for class_name, files in by_class.items() if not files]
    if empty:
        raise UserError(f"dataset {name!r}: class {empty[0]!r} must be {form}, got no image")


def flat(by_class: Mapping[str, Sequence[File]]) -> tuple[list[File], npt.NDArray[np.int64]]:
    """{class name: files} as a list of files and their labels, int64."""
    files = [file for class_files in by_class.values() for file in class_files]
    labels = np.repeat(np.arange(len(by_class)), [len(class_files) for class_files in by_class.values()])
    return files, labels
