"""From an image file's bytes to pixels, inside or outside a graph; any bytes are safe to decode."""

import tensorflow as tf

from alexnet_tf.data.binary import bytes_at, number, occurrences, seldom_called
from alexnet_tf.data.gif import first_image
from alexnet_tf.data.orientation import orientation, upright

# Larger images are refused by their header, before memory is allocated for them.
MAX_PIXELS = 100_000_000
# A file one pixel high would become enormous when its shorter side is resized.
MAX_ASPECT = 100
# Each scan of a JPEG passes over all its pixels: a file of 1 MB can hold thousands, and take minutes. Encoders write
# about ten; small images may have more, up to this many pixels in all scans.
MAX_SCANS, MAX_SCANNED_PIXELS = 20, 200_000_000
_SCAN, _SMALLEST_SCAN, _MOST_COUNTED = b"\xff\xda", 12, 100_000
# As libjpeg, Pillow and browsers do by default. TensorFlow's own default is not measurably faster.
DCT = "INTEGER_ACCURATE"
UNKNOWN_FORMAT = "an image must be a JPEG, PNG, GIF or BMP file. Received another, its bytes:"


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG (RGB, gray or CMYK), PNG (8 or 16 bits), GIF (first frame) or BMP file to RGB, upright by EXIF.

    Returns:
        uint8 (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not such an image, or it has more than `MAX_PIXELS` pixels, or
            one side is more than `MAX_ASPECT` times the other, or a JPEG has too many scans.
    """
    image = tf.cond(tf.io.is_jpeg(encoded), lambda: _decode_jpeg(encoded), lambda: _decode_other(encoded))
    return tf.ensure_shape(image, [None, None, 3])


def _decode_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies(check_jpeg(encoded, tf.io.extract_jpeg_shape(encoded)[:2])):
        image = tf.io.decode_jpeg(encoded, channels=3, dct_method=DCT)
    return upright(image, orientation(encoded))


@seldom_called
def _decode_other(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a PNG, GIF or BMP file. Others, which TensorFlow may read as well, have no check of their size here."""
    is_gif = _begins_with(encoded, _GIF)
    known = is_gif | _begins_with(encoded, _PNG) | _begins_with(encoded, _BMP)
    # The number of bytes and not the bytes: they are no text, and a message must be.
    data = [UNKNOWN_FORMAT, tf.strings.length(encoded)]
    with tf.control_dependencies([tf.raw_ops.Assert(condition=known, data=data)]):
        size = _size_in_header(encoded)
    encoded, frame = tf.cond(is_gif, lambda: first_image(encoded), lambda: (encoded, size))
    with tf.control_dependencies([check_size(size), check_size(frame)]):
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def declared_size(encoded: tf.Tensor) -> tf.Tensor:
    """The (height, width) in an image file's header, before rotation: int64 (2,); zeros for an unknown format.

    Raises:
        tf.errors.InvalidArgumentError: if it is a JPEG file with a damaged header.
    """
    jpeg = lambda: tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64)  # noqa: E731
    return tf.cond(tf.io.is_jpeg(encoded), jpeg, lambda: _size_in_header(encoded))


_PNG, _GIF, _BMP = b"\x89PNG", b"GIF8", b"BM"


def _begins_with(encoded: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.equal(tf.strings.substr(encoded, 0, len(magic)), magic)


def _size_in_header(encoded: tf.Tensor) -> tf.Tensor:
    header = bytes_at(encoded, 0, 26)
    # A negative height means that the rows are stored top to bottom.
    bmp_height = tf.bitcast(tf.cast(number(header[22:26], True), tf.uint32), tf.int32)
    sides_by_magic = {
        _PNG: (number(header[20:24]), number(header[16:20])),
        _GIF: (number(header[8:10], True), number(header[6:8], True)),
        _BMP: (tf.abs(tf.cast(bmp_height, tf.int64)), number(header[18:22], True)),
    }
    size = tf.zeros([2], tf.int64)
    for magic, sides in sides_by_magic.items():
        size = tf.where(_begins_with(encoded, magic), tf.stack(sides), size)
    return size


def check_size(size: tf.Tensor) -> tf.Operation:
    """An operation that fails for an int64 (height, width) above `MAX_PIXELS` or `MAX_ASPECT`."""
    message = f"an image must have at most {MAX_PIXELS:,} pixels and sides within 1:{MAX_ASPECT}. Received:"
    slim = tf.reduce_max(size) > MAX_ASPECT * tf.reduce_min(size)
    # The raw operation, because `tf.debugging.Assert` adds a condition around it.
    return tf.raw_ops.Assert(condition=(tf.reduce_prod(size) <= MAX_PIXELS) & ~slim, data=[message, size])


def check_jpeg(encoded: tf.Tensor, shape: tf.Tensor) -> list[tf.Operation | tf.Tensor]:
    """Operations that fail for a JPEG of that int32 (height, width) as `check_size` does, or for too many scans."""
    size = tf.cast(shape, tf.int64)
    # Most files are too short for so many.
    most_scanned = tf.cast(tf.strings.length(encoded), tf.int64) * tf.reduce_prod(size)
    suspicious = most_scanned > MAX_SCANNED_PIXELS * _SMALLEST_SCAN
    return [check_size(size), tf.cond(suspicious, lambda: _checked_scans(encoded), lambda: 0)]


@seldom_called
def _checked_scans(encoded: tf.Tensor) -> tf.Tensor:
    """The number of scans of a JPEG, int32; fails for too many."""
    pixels = tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64))
    scans = occurrences(encoded, _SCAN, _MOST_COUNTED)
    few = (scans <= MAX_SCANS) | (tf.cast(scans, tf.int64) * pixels <= MAX_SCANNED_PIXELS)
    message = f"a JPEG must have at most {MAX_SCANS} scans, or {MAX_SCANNED_PIXELS:,} pixels in all scans. Received:"
    with tf.control_dependencies([tf.raw_ops.Assert(condition=few, data=[message, scans])]):
        return tf.identity(scans)
