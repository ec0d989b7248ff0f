"""Turns chunks of image files into records."""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from alexnet_tf.data import decoding, images
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.data.reasons import reason
from alexnet_tf.data.sources import Original
from alexnet_tf.data.statistics import Sums


@dataclasses.dataclass
class Chunk:
    """Some prepared images.

    Attributes:
        records: bytes of each image.
        index: (name, label) of each image.
        skipped: (name, reason) of each file that could not be read or decoded.
        sums: of the pixels.
    """

    records: list[bytes] = dataclasses.field(default_factory=list)
    index: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    sums: Sums = dataclasses.field(default_factory=Sums)


class Preparer:
    """A function from image files to a `Chunk`, for any number of threads."""

    def __init__(self, options: PrepareOptions) -> None:
        self._size = options.size
        self._prepare = tf.function(_to_record(options), input_signature=[tf.TensorSpec([], tf.string)])

    def __call__(self, originals: Iterable[Original]) -> Chunk:
        chunk, squares = Chunk(), []
        for original in originals:
            encoded = None
            try:
                encoded = original.read()
                record, image = (tensor.numpy() for tensor in self._prepare(tf.constant(encoded)))
            except (OSError, tf.errors.InvalidArgumentError) as error:
                chunk.skipped.append((original.name, reason(error, encoded)))
                continue
            chunk.records.append(record or image.tobytes())
            chunk.index.append((original.name, original.label))
            squares.append(images.central_crop(image, self._size))
        if squares:
            chunk.sums.add(np.stack(squares))
        return chunk


def _to_record(options: PrepareOptions) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    def to_record(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """From a file's bytes to a record (empty for raw pixels), and the image that readers will get from it."""
        image = images.resize_shorter_side(decoding.decode(encoded), options.size)
        if options.square:
            image = images.central_crop(image, options.size)
        if options.format == "raw":
            return tf.constant(b""), image
        record = tf.io.encode_jpeg(image, format="rgb", quality=options.quality, optimize_size=True)
        return record, decoding.decode(record)

    return to_record
