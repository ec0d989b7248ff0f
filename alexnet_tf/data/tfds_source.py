"""Any image classification set of TensorFlow Datasets."""

import socket
import urllib.parse

import tensorflow as tf
import tensorflow_datasets as tfds

from alexnet_tf.data.sources import Dataset

VALIDATION_NAMES = ("validation", "val", "test")
# TFDS writes its records in random order already; this buffer gives each epoch an order of its own.
SHUFFLE_BUFFER = 10_000
HELD_OUT_PERCENT = 10


def open_tfds(name, tfds_name, seed):
    """Opens a TFDS set, preparing it first where it is not on disk yet.

    Its `train` split is used with `validation`, `val` or else `test`; a set with `train` alone keeps its last
    tenth for validation.

    Raises:
        ValueError: if TFDS knows no such set, it cannot be fetched, or it has no image and class label.
    """
    try:
        builder = tfds.builder(tfds_name)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise ValueError(f"dataset {name!r} cannot be opened by TFDS: {_first_line(error)}") from error
    image_key, label_key = _keys(builder, name)
    _prepare(builder, name)
    if "train" not in builder.info.splits:
        raise ValueError(f"dataset {name!r} must have a split 'train'. It has: {sorted(builder.info.splits)}")
    held_out = next((n for n in VALIDATION_NAMES if n in builder.info.splits), None)
    cut = 100 - HELD_OUT_PERCENT
    names = ("train", held_out) if held_out else (f"train[:{cut}%]", f"train[{cut}%:]")
    train, validation = (TfdsSplit(builder, split_name, image_key, label_key) for split_name in names)
    return Dataset(name, tuple(builder.info.features[label_key].names), train, validation)


class TfdsSplit:
    """A split read in sequence; see `alexnet_tf.data.sources.Split`."""

    def __init__(self, builder, split_name, image_key, label_key):
        self.count = builder.info.splits[split_name].num_examples
        self.skipped = set()
        self._builder = builder
        self._split_name = split_name
        self._keys = image_key, label_key

    def examples(self, start, seed):
        """See `Split.examples`; a start inside an epoch reads what lies before it in that epoch."""
        records = self._builder.as_dataset(self._split_name, shuffle_files=False)

        def epoch_of(epoch):
            if seed is None:
                return records
            # Of this function's graph alone. Above 0, because only then may the other half be a tensor.
            tf.random.set_seed(seed + 1)
            return records.shuffle(SHUFFLE_BUFFER, seed=epoch, reshuffle_each_iteration=False)

        epochs = tf.data.Dataset.range(start // self.count, tf.int64.max).flat_map(epoch_of)
        positions = tf.data.Dataset.range(start, tf.int64.max)
        return tf.data.Dataset.zip(positions, epochs.skip(start % self.count)).map(self._example, tf.data.AUTOTUNE)

    def _example(self, position, record):
        image_key, label_key = self._keys
        image = record[image_key]
        if image.shape[-1] == 1:
            image = tf.image.grayscale_to_rgb(image)
        return {"image": image[..., :3], "label": record[label_key], "weight": tf.ones([]), "position": position}


def _keys(builder, name):
    """The names of the image and of the class label among a set's features."""
    features = dict(builder.info.features.items()) if hasattr(builder.info.features, "items") else {}
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    if builder.info.supervised_keys and len(builder.info.supervised_keys) == 2:
        image, label = builder.info.supervised_keys
        if image in images and label in labels:
            return image, label
    if len(images) == 1 and len(labels) == 1:
        return images[0], labels[0]
    raise ValueError(f"dataset {name!r} must have one image and one class label. It has: {sorted(features)}")


def _prepare(builder, name):
    if builder.is_prepared():
        return
    _check_reachable(builder, name)
    try:
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever the set's own script and its downloads raise.
        raise ValueError(f"dataset {name!r} cannot be prepared by TFDS: {_first_line(error)}") from error


def _check_reachable(builder, name):
    """TFDS tries for minutes before it gives up; a host that cannot be reached is known in seconds."""
    hosts = {urllib.parse.urlsplit(url).hostname for url in builder.url_infos}
    for host in sorted(filter(None, hosts)):
        try:
            socket.create_connection((host, 443), timeout=10).close()
        except OSError as error:
            raise ValueError(
                f"dataset {name!r} is not prepared in {builder.data_dir}, and {host} cannot be reached to download "
                f"it ({error})"
            ) from error


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
