"""Image classification datasets of TensorFlow Datasets (TFDS)."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from alexnet_tf.data import tfds_builder
from alexnet_tf.data.file_crop import crop_from_file
from alexnet_tf.data.held_out import HELD_OUT_PERCENT, VALIDATION_NAMES
from alexnet_tf.data.sampling import Crop, Sampler
from alexnet_tf.data.sources import Dataset, Original
from alexnet_tf.data.undecodable import Example
from alexnet_tf.errors import UserError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# TFDS stores its records in random order already; this buffer shuffles each epoch differently.
SHUFFLE_BUFFER = 10_000
NAME_KEY = "file_name"


def open_tfds(name: str, tfds_name: str, seed: int) -> Dataset:
    """Opens a TFDS dataset, preparing it first if it is not on disk yet.

    Its validation set is the split `validation`, `val` or `test`; if it has only `train`, the last tenth of that.

    Raises:
        UserError: if TFDS is not installed or has no such dataset, or if the dataset cannot be prepared or has no image
            and class label.
    """
    builder = tfds_builder.open_builder(name, tfds_name)
    image_key, label_key = tfds_builder.keys(builder, name)
    tfds_builder.prepare(builder, name)
    if "train" not in builder.info.splits:
        raise UserError(f"dataset {name!r} must have a split 'train', got {', '.join(sorted(builder.info.splits))}")
    held_out = next((n for n in VALIDATION_NAMES if n in builder.info.splits), None)
    cut = 100 - HELD_OUT_PERCENT
    names = ("train", held_out) if held_out else (f"train[:{cut}%]", f"train[{cut}%:]")
    train, validation = (TfdsSplit(builder, split_name, image_key, label_key) for split_name in names)
    return Dataset(name, tuple(builder.info.features[label_key].names), train, validation)


class TfdsSplit:
    """A `sources.ImageFileSplit` that is read in sequence."""

    names = None
    labels = None

    def __init__(self, builder: "tfds.core.DatasetBuilder", split_name: str, image_key: str, label_key: str) -> None:
        self.count: int = builder.info.splits[split_name].num_examples
        self.skipped: set[str] = set()
        self._builder = builder
        self._split_name = split_name
        self._keys = image_key, label_key

    def read(self, sampler: Sampler, crop: Crop) -> tf.data.Dataset:
        """See `Split.read`. A first step inside an epoch reads, without decoding, that epoch's records before it."""
        first = sampler.steps.start * sampler.batch_size
        records = self._records(self._split_name)

        def epoch_of(epoch: tf.Tensor) -> tf.data.Dataset:
            if sampler.seed is None:
                return records
            # Affects only this function's graph. Above 0, because `seed` may be a tensor only then.
            tf.random.set_seed(sampler.seed + 1)
            return records.shuffle(SHUFFLE_BUFFER, seed=epoch, reshuffle_each_iteration=False)

        epochs = tf.data.Dataset.range(first // self.count, tf.int64.max).flat_map(epoch_of)
        batches = epochs.skip(first % self.count).batch(sampler.batch_size)

        def own_part(step: tf.Tensor, batch: Example) -> Example:
            own = {key: values[slice(*sampler.part)] for key, values in batch.items()}
            return {**own, "offset": crop.of_step(step, sampler)}

        examples = tf.data.Dataset.zip(sampler.dataset(), batches).map(own_part).unbatch()
        loaded = examples.map(lambda example: self._load(example, crop), tf.data.AUTOTUNE)
        return loaded.batch(sampler.size, drop_remainder=True)

    def originals(self, start: int, stop: int) -> Iterator[Original]:
        """See `ImageFileSplit.originals`."""
        tfds = tfds_builder.load(self._split_name)
        (part,) = tfds.core.ReadInstruction.from_spec(self._split_name).to_absolute(self._builder.info.splits)
        first = part.from_ or 0
        part = tfds.core.ReadInstruction(part.splitname, from_=first + start, to=first + stop, unit="abs")
        for number, record in enumerate(self._records(part).as_numpy_iterator(), start):
            name = record["name"].decode() or f"{self._split_name} {number}"
            yield Original(name, int(record["label"]), functools.partial(bytes, record["image"]))

    def _records(self, split: Any) -> tf.data.Dataset:
        """The records in their order on disk: `image`, a file's bytes; `label`; and `name`, empty if unknown."""
        image_key, label_key = self._keys
        decoders = {image_key: tfds_builder.load(self._split_name).decode.SkipDecoding()}
        records = self._builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)

        def renamed(record: Example) -> Example:
            name = record.get(NAME_KEY, tf.constant(""))
            return {"image": record[image_key], "label": record[label_key], "name": name}

        return records.map(renamed)

    def _load(self, example: Example, crop: Crop) -> Example:
        image = crop_from_file(example["image"], crop.resize_crop, example["offset"], crop.exact)
        return {"image": image, "label": example["label"], "weight": tf.ones([])}
