"""Any image classification set of TensorFlow Datasets."""

import socket
import urllib.parse

import tensorflow as tf
import tensorflow_datasets as tfds

from alexnet_tf.data import decoding
from alexnet_tf.data.sources import Dataset, Original

VALIDATION_NAMES = ("validation", "val", "test")
# TFDS writes its records in random order already; this buffer gives each epoch an order of its own.
SHUFFLE_BUFFER = 10_000
HELD_OUT_PERCENT = 10
NAME_KEY = "file_name"
LONGEST_REASON = 400


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

    names = None
    labels = None

    def __init__(self, builder, split_name, image_key, label_key):
        self.count = builder.info.splits[split_name].num_examples
        self.skipped = set()
        self._builder = builder
        self._split_name = split_name
        self._keys = image_key, label_key

    def read(self, sampler, crop):
        """See `Split.read`; a first step inside an epoch reads, but does not decode, what lies before it there."""
        first = sampler.steps.start * sampler.batch_size
        records = self._records(self._split_name)

        def epoch_of(epoch):
            if sampler.seed is None:
                return records
            # Of this function's graph alone. Above 0, because only then may the other half be a tensor.
            tf.random.set_seed(sampler.seed + 1)
            return records.shuffle(SHUFFLE_BUFFER, seed=epoch, reshuffle_each_iteration=False)

        epochs = tf.data.Dataset.range(first // self.count, tf.int64.max).flat_map(epoch_of)
        batches = epochs.skip(first % self.count).batch(sampler.batch_size)

        def own_part(step, batch):
            own = {key: values[slice(*sampler.part)] for key, values in batch.items()}
            return {**own, "offset": crop.of_step(step, sampler)}

        examples = tf.data.Dataset.zip(sampler.dataset(), batches).map(own_part).unbatch()
        loaded = examples.map(lambda example: self._load(example, crop), tf.data.AUTOTUNE)
        return loaded.batch(sampler.size, drop_remainder=True)

    def originals(self, start, stop):
        """See `Split.originals`."""
        (part,) = tfds.core.ReadInstruction.from_spec(self._split_name).to_absolute(self._builder.info.splits)
        first = part.from_ or 0
        part = tfds.core.ReadInstruction(part.splitname, from_=first + start, to=first + stop, unit="abs")
        for number, record in enumerate(self._records(part).as_numpy_iterator(), start):
            name = record["name"].decode() or f"{self._split_name} {number}"
            yield Original(name, int(record["label"]), lambda image=record["image"]: image)

    def _records(self, split):
        """The records in their order on disk: `image`, a file's bytes; `label`; and `name`, where there is one."""
        image_key, label_key = self._keys
        decoders = {image_key: tfds.decode.SkipDecoding()}
        records = self._builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)

        def chosen(record):
            name = record.get(NAME_KEY, tf.constant(""))
            return {"image": record[image_key], "label": record[label_key], "name": name}

        return records.map(chosen)

    def _load(self, example, crop):
        cut = decoding.crop_from_file(example["image"], crop.resize_crop, example["offset"], crop.exact)
        return {"image": cut, "label": example["label"], "weight": tf.ones([])}


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
    if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:  # Otherwise the files should be there.
        _check_reachable(builder, name)
    try:
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever the set's own script and its downloads raise.
        raise ValueError(f"dataset {name!r} cannot be prepared by TFDS: {_in_short(error)}") from error


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


def _in_short(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + " …"
