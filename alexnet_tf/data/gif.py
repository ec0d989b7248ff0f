"""The first image of a GIF file, cut out of it: TensorFlow's decoder takes memory for every later one as well."""

import tensorflow as tf

from alexnet_tf.data.binary import bytes_at, number

TRAILER = b";"
# Blocks of different lengths that are passed over; equal ones, as encoders write them, count once per `_WINDOW` bytes.
MAX_STEPS = 5_000
_WINDOW = 1 << 16
_HEADER, _DESCRIPTOR = 13, 10
_EXTENSION, _IMAGE = ord("!"), ord(",")


def first_image(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts a GIF file after its first image.

    Args:
        encoded: scalar string that begins like a GIF file.

    Returns:
        The file, and the (height, width) of that image, which need not be those of the file: int64 (2,).
    """
    block, steps = _after_extensions(encoded, _HEADER + _palette(bytes_at(encoded, 10, 1)[0]))
    descriptor = bytes_at(encoded, block, _DESCRIPTOR)
    size = tf.stack([number(descriptor[side : side + 2], True) for side in (7, 5)])
    # One byte, the code size, lies before the compressed data.
    end, _ = _after_blocks(encoded, block + _DESCRIPTOR + _palette(descriptor[9]) + 1, steps)
    cut = tf.strings.substr(encoded, tf.constant(0, tf.int64), tf.where(descriptor[0] == _IMAGE, end, block))
    return cut + TRAILER, size


def _palette(flags: tf.Tensor) -> tf.Tensor:
    """The number of bytes of the palette that a header's flags announce: int64."""
    return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), tf.constant(0, tf.int64))


def _after_extensions(encoded: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The position of the first block that is no extension, and the steps taken."""

    def is_extension(at: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        return (bytes_at(encoded, at, 1)[0] == _EXTENSION) & (steps < MAX_STEPS)

    def skip(at: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _after_blocks(encoded, at + 2, steps + 1)

    return tf.while_loop(is_extension, skip, (_within(encoded, start), tf.constant(0)))


def _after_blocks(encoded: tf.Tensor, start: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The position after a chain of blocks, each with its length before it, that ends with length 0; and the steps."""

    def unfinished(at: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        return (bytes_at(encoded, at, 1)[0] > 0) & (steps < MAX_STEPS)

    def skip(at: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = tf.strings.substr(encoded, at, tf.constant(_WINDOW, tf.int64))
        window = tf.reshape(tf.io.decode_raw(part, tf.uint8), [-1])
        sizes = tf.reshape(window[:: tf.cast(window[0], tf.int32) + 1], [-1])
        differ = tf.cast(tf.not_equal(sizes, window[0]), tf.int32)
        equal = tf.where(tf.reduce_any(differ > 0), tf.argmax(differ), tf.size(sizes, tf.int64))
        return _within(encoded, at + equal * (tf.cast(window[0], tf.int64) + 1)), steps + 1

    at, steps = tf.while_loop(unfinished, skip, (_within(encoded, start), steps))
    return _within(encoded, at + 1), steps


def _within(encoded: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.cast(position, tf.int64), tf.cast(tf.strings.length(encoded), tf.int64))
