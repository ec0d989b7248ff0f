"""EXIF's orientation of a JPEG file: found segment by segment, and undone."""

import tensorflow as tf

from alexnet_tf.data.binary import bytes_at, number, occurrences, seldom_called

EXIF = b"Exif\0\0"
# Segments and bytes between them that are looked at before EXIF; hostile files have millions.
MAX_STEPS = 500
ORIENTATION, SHORT, LONG = 0x0112, 3, 4
_START, _APP1 = b"\xff\xd8", b"\xff\xe1"
_STUFFED, _TEM, _FIRST_RESTART, _START_OF_IMAGE, _END, _START_OF_SCAN, _FILL = 0, 1, 0xD0, 0xD8, 0xD9, 0xDA, 0xFF


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """EXIF's orientation in an image file, uint8: 2 to 8 if a JPEG is stored rotated or mirrored; else 1.

    Only a tag of the first directory counts, as one SHORT or LONG. Other formats are upright.
    """
    # Most files have no EXIF, and to find that out costs less than the first step of a loop.
    present = occurrences(encoded, EXIF, 1) > 0
    return tf.cond(present, lambda: _walk(encoded), lambda: tf.constant(1, tf.uint8))


@seldom_called
def _walk(encoded: tf.Tensor) -> tf.Tensor:
    return _orientation_in_tiff(_exif(encoded))


def _exif(encoded: tf.Tensor) -> tf.Tensor:
    """The content of the first EXIF segment before the compressed data, a TIFF file; empty if there is none."""
    end = tf.strings.length(encoded)

    def step(at: tf.Tensor, skip: tf.Tensor, is_exif: tf.Tensor) -> tuple[tf.Tensor, ...]:
        at += skip
        segment = tf.strings.substr(encoded, tf.minimum(at, end), 10)
        head = bytes_at(segment, 0, 4)
        marker, length = head[1], tf.cast(number(head[2:]), tf.int32)
        is_exif = tf.strings.regex_full_match(segment, r"\C\C\C\CExif\x00\x00")
        is_exif &= tf.equal(tf.strings.substr(segment, 0, 2), _APP1)
        without_length = (
            (marker == _STUFFED) | (marker == _TEM) | ((marker >= _FIRST_RESTART) & (marker <= _START_OF_IMAGE))
        )
        # What is no marker lies between segments, and is passed over as decoders do.
        no_marker = (head[0] != _FILL) | (marker == _FILL)
        skip = tf.where(no_marker, 1, tf.where(without_length, 2, 2 + tf.maximum(length, 2)))
        last = (head[0] == _FILL) & ((marker == _START_OF_SCAN) | (marker == _END))
        return at, tf.where(last, end, skip), is_exif

    def unfinished(at: tf.Tensor, skip: tf.Tensor, is_exif: tf.Tensor) -> tf.Tensor:
        return ~is_exif & (at + skip < end)

    is_jpeg = tf.equal(tf.strings.substr(encoded, 0, 2), _START)
    state = (tf.constant(0), tf.where(is_jpeg, 2, end), tf.constant(False))
    at, skip, is_exif = tf.while_loop(unfinished, step, state, maximum_iterations=MAX_STEPS)
    start = tf.minimum(at + 4 + len(EXIF), end)
    return tf.where(is_exif, tf.strings.substr(encoded, start, tf.maximum(skip - 4 - len(EXIF), 0)), b"")


def _orientation_in_tiff(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation in the first directory of a TIFF file, uint8 from 1 to 8."""
    length = tf.cast(tf.strings.length(tiff), tf.int64)
    little_endian = tf.equal(tf.strings.substr(tiff, 0, 4), b"II*\0")
    valid = little_endian | tf.equal(tf.strings.substr(tiff, 0, 4), b"MM\0*")
    directory = tf.minimum(number(bytes_at(tiff, 4, 4), little_endian), length)
    count = number(bytes_at(tiff, directory, 2), little_endian)
    first = tf.minimum(directory + 2, length)
    # Entries that the segment has no bytes for are left out.
    count = tf.minimum(count, (length - first) // 12)
    content = tf.io.decode_raw(tf.strings.substr(tiff, first, 12 * count), tf.uint8)
    entries = tf.cast(tf.reshape(content, [-1, 12]), tf.int64)
    tag, kind, values = (number(entries[:, a:b], little_endian) for a, b in ((0, 2), (2, 4), (4, 8)))
    short, long = number(entries[:, 8:10], little_endian), number(entries[:, 8:12], little_endian)
    matches = (tag == ORIENTATION) & ((kind == SHORT) | (kind == LONG)) & (values == 1)
    value = tf.reduce_sum(tf.boolean_mask(tf.where(kind == LONG, long, short), matches)[:1])
    return tf.cast(tf.where(valid & (value >= 1) & (value <= 8), value, 1), tf.uint8)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes the rotation and mirroring of an EXIF orientation; (height, width, 3), maybe with sides exchanged."""

    def among(*values: int) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(values, tf.uint8))

    def undone() -> tf.Tensor:
        transposed = tf.cond(among(5, 6, 7, 8), lambda: _transposed(image), lambda: image)
        left_right = tf.cond(among(2, 3, 6, 7), lambda: transposed[:, ::-1], lambda: transposed)
        return tf.cond(among(3, 4, 7, 8), lambda: left_right[::-1], lambda: left_right)

    return tf.cond((orientation >= 2) & (orientation <= 8), undone, lambda: image)


def _transposed(image: tf.Tensor) -> tf.Tensor:
    """From (height, width, 3) to (width, height, 3), by gathering pixels.

    oneDNN cannot transpose uint8 on CPUs without AVX-512: TensorFlow prints an error before it does so itself.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    offsets = tf.range(width)[:, None] + tf.range(height)[None] * width
    return tf.gather(tf.reshape(image, [-1, 3]), offsets)
