"""From an image file's bytes to pixels, inside or outside a graph; any bytes are safe to decode."""

import tensorflow as tf

# Larger images are refused by their header, before memory is allocated for them.
MAX_PIXELS = 100_000_000
# A file one pixel high would become enormous when its shorter side is resized.
MAX_ASPECT = 100
# As libjpeg, Pillow and browsers do by default. TensorFlow's own default is not measurably faster.
DCT = "INTEGER_ACCURATE"


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG (RGB, gray or CMYK), PNG (8 or 16 bits), GIF (first frame) or BMP file to RGB, upright by EXIF.

    Returns:
        uint8 (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not such an image, or it has more than `MAX_PIXELS` pixels, or
            one side is more than `MAX_ASPECT` times the other.
    """
    with tf.control_dependencies([check_size(declared_size(encoded))]):
        image = tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method=DCT),
            lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
        )
    return tf.ensure_shape(upright(image, orientation(encoded)), [None, None, 3])


def declared_size(encoded: tf.Tensor) -> tf.Tensor:
    """The (height, width) in an image file's header, before rotation: int64 (2,); zeros for an unknown format.

    Raises:
        tf.errors.InvalidArgumentError: if it is a JPEG file with a damaged header.
    """
    jpeg = lambda: tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64)  # noqa: E731
    return tf.cond(tf.io.is_jpeg(encoded), jpeg, lambda: _size_in_header(encoded))


def _size_in_header(encoded: tf.Tensor) -> tf.Tensor:
    header = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, 0, 26), tf.uint8, fixed_length=28), tf.int64)

    def number(first: int, count: int, step: int = 1) -> tf.Tensor:
        """The number in `count` bytes from `first` on: big-endian, or little-endian if `step` is -1."""
        powers = [256**i for i in range(count)][::-step]
        return tf.reduce_sum(header[first : first + count] * powers)

    sides_by_magic = {
        b"\x89PNG": (number(20, 4), number(16, 4)),
        b"GIF8": (number(8, 2, -1), number(6, 2, -1)),
        # A negative height means that the rows are stored top to bottom.
        b"BM": (tf.abs(tf.bitcast(tf.cast(number(22, 4, -1), tf.uint32), tf.int32)), number(18, 4, -1)),
    }
    size = tf.zeros([2], tf.int64)
    for magic, sides in sides_by_magic.items():
        matches = tf.equal(tf.strings.substr(encoded, 0, len(magic)), magic)
        size = tf.where(matches, tf.stack([tf.cast(side, tf.int64) for side in sides]), size)
    return size


def check_size(size: tf.Tensor) -> tf.Operation:
    """An operation that fails for an int64 (height, width) above `MAX_PIXELS` or `MAX_ASPECT`."""
    message = f"an image must have at most {MAX_PIXELS:,} pixels and sides within 1:{MAX_ASPECT}. Received:"
    slim = tf.reduce_max(size) > MAX_ASPECT * tf.reduce_min(size)
    # The raw operation, because `tf.debugging.Assert` adds a condition around it.
    return tf.raw_ops.Assert(condition=(tf.reduce_prod(size) <= MAX_PIXELS) & ~slim, data=[message, size])


# Captures the low byte of tag 0x0112, one short number, in the first directory of a JPEG's EXIF, in either byte order.
_ORIENTATION = (
    r"\A\C{0,200}?Exif\x00\x00(?:II\C*?\x12\x01\x03\x00\x01\x00\x00\x00(\C)\x00"
    r"|MM\C*?\x01\x12\x00\x03\x00\x00\x00\x01\x00(\C))\C*\z"
)


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """EXIF's orientation, uint8: 2 to 8 if the image is stored rotated or mirrored; any other value if not."""
    start = tf.strings.substr(encoded, 0, 1024)
    byte = tf.strings.regex_replace(start, _ORIENTATION, r"\1\2")
    byte = tf.where(tf.strings.length(byte) == 1, byte, b"\x01")
    return tf.io.decode_raw(byte, tf.uint8, fixed_length=1)[0]


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
