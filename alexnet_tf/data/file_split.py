"""Splits of image files, wherever they lie: in folders or inside tars."""

import os

import numpy as np
import tensorflow as tf

from alexnet_tf.data import decoding
from alexnet_tf.data.sources import Original

HELD_OUT = 0.1
# Files that could not be read and are named in a report; all are counted.
NAMED = 20
# Steps that are read at a time, so that the last images of one do not hold up the first of the next.
STEPS_AHEAD = 2


class FileSplit:
    """A split of image files; see `alexnet_tf.data.sources.Split`.

    A file that cannot be read or is no image keeps its place with weight 0 and is named in `skipped`.

    Args:
        names: list of str, what the user would call each file.
        labels: int64 (count,).
        read_file: from an index to a file's bytes; raises OSError.
        read_tensor: the same as a TensorFlow function, from an int64 scalar to a string scalar.
    """

    def __init__(self, names, labels, read_file, read_tensor):
        self.names, self.labels, self.count = names, np.asarray(labels, np.int64), len(names)
        self.skipped = set()
        self._read_file, self._read_tensor = read_file, read_tensor

    def originals(self, start, stop):
        """See `Split.originals`."""
        for index in range(start, stop):
            yield Original(self.names[index], int(self.labels[index]), lambda index=index: self._read_file(index))

    def read(self, sampler, crop):
        """See `Split.read`."""

        def batch_of(step):
            indices = sampler.indices(step, self.count)
            slots = tf.range(sampler.size)
            examples = {"slot": slots, "index": indices, "offset": crop.of_step(step, sampler)}
            return self._good_images(examples, crop).map(lambda batch: self._complete(batch, indices))

        return sampler.dataset().interleave(
            batch_of, cycle_length=STEPS_AHEAD, num_parallel_calls=STEPS_AHEAD, deterministic=True
        )

    def _good_images(self, examples, crop):
        """A dataset of one batch: those images that can be read, with their slots, and one more that is empty.

        An operation that fails takes its whole dataset down, unless its failures are dropped. A dataset of its own
        for every image would do, too, but costs as much as a third of the decoding.
        """

        def load(example):
            encoded = self._read_tensor(example["index"])
            image = decoding.crop_from_file(encoded, crop.resize_crop, example["offset"], crop.exact)
            return {"slot": example["slot"], "image": image}

        side = crop.resize_crop.crop
        one_more = {"slot": [-1], "image": tf.zeros([1, side, side, 3], tf.uint8)}
        count = examples["slot"].shape[0]
        good = tf.data.Dataset.from_tensor_slices(examples).map(load, os.cpu_count()).ignore_errors()
        return good.concatenate(tf.data.Dataset.from_tensor_slices(one_more)).batch(count + 1)

    def _complete(self, batch, indices):
        """Puts images into their slots; the others are empty, weigh nothing, and are noted."""
        size = indices.shape[0]
        slots, images = batch["slot"][:-1], batch["image"][:-1]

        def spread():
            missing = tf.sparse.to_dense(tf.sets.difference(tf.range(size)[None], slots[None]))[0]
            noted = tf.numpy_function(self._note, [tf.gather(indices, missing)], [])
            with tf.control_dependencies([noted]):
                weights = tf.scatter_nd(slots[:, None], tf.ones_like(slots, tf.float32), [size])
            return tf.scatter_nd(slots[:, None], images, [size, *images.shape[1:]]), weights

        whole = tf.equal(tf.size(slots), size)
        images, weights = tf.cond(whole, lambda: (images, tf.ones([size])), spread)
        return {
            "image": tf.ensure_shape(images, [size, *images.shape[1:]]),
            "label": tf.gather(tf.constant(self.labels), indices),
            "weight": tf.ensure_shape(weights, [size]),
        }

    def _note(self, indices):
        self.skipped.update(self.names[index] for index in indices)


def check_classes(by_class, name, form):
    """Checks {class name: list of files}.

    Args:
        by_class: the dictionary.
        name: of the dataset, as given.
        form: what a class should be.

    Raises:
        ValueError: if there are fewer than two classes, or one is empty.
    """
    if len(by_class) < 2:
        raise ValueError(
            f"dataset must have at least two classes, each {form}. Received: dataset={name!r} with {len(by_class)}"
        )
    empty = [class_name for class_name, members in by_class.items() if not members]
    if empty:
        raise ValueError(f"dataset {name!r}: no image in {empty[0]!r}; a class must be {form}")


def hold_out(by_class, name, seed):
    """Divides {class name: list of files} into a part to train on and a tenth of each class, at least one.

    Raises:
        ValueError: if a class has one file only.
    """
    train, held_out = {}, {}
    for number, (class_name, members) in enumerate(by_class.items()):
        if len(members) < 2:
            raise ValueError(f"dataset {name!r}: class {class_name!r} has one image; at least two are needed")
        order = np.random.default_rng([seed, number]).permutation(len(members))
        cut = max(1, round(HELD_OUT * len(members)))
        held_out[class_name] = [members[i] for i in sorted(order[:cut])]
        train[class_name] = [members[i] for i in sorted(order[cut:])]
    return train, held_out


def flat(by_class):
    """{class name: list of files} as a list of files and their labels, int64."""
    members = [member for class_members in by_class.values() for member in class_members]
    labels = np.repeat(np.arange(len(by_class)), [len(class_members) for class_members in by_class.values()])
    return members, labels
