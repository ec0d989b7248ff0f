"""From an image file's bytes to pixels; usable in a graph, and safe with whatever a file may hold."""

import functools

import tensorflow as tf

from alexnet_tf.data import images

# A header may claim any size; what claims more than this is refused before memory is taken for it.
MAX_PIXELS = 100_000_000
# A file one pixel high would become enormous when its shorter side is resized.
MAX_ASPECT = 100
# As libjpeg, Pillow and browsers do by default; TensorFlow's own default saves no time that could be measured.
_DCT = "INTEGER_ACCURATE"


def decode(encoded):
    """Decodes a JPEG (RGB, gray or CMYK), PNG (8 or 16 bits), GIF (first frame) or BMP file into RGB.

    An image that EXIF calls turned or mirrored is set upright.

    Returns:
        uint8 (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not such an image, or it has more than `MAX_PIXELS`, or
            one side is more than `MAX_ASPECT` times the other.
    """
    with tf.control_dependencies([_check_size(declared_size(encoded))]):
        image = tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method=_DCT),
            lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
        )
    return tf.ensure_shape(_upright(image, _orientation(encoded)), [None, None, 3])


# The byte that holds the tag 0x0112, one short number, in the first directory of a JPEG's EXIF, in either byte order.
_ORIENTATION = (
    r"\A\C{0,200}?Exif\x00\x00(?:II\C*?\x12\x01\x03\x00\x01\x00\x00\x00(\C)\x00"
    r"|MM\C*?\x01\x12\x00\x03\x00\x00\x00\x01\x00(\C))\C*\z"
)


def _orientation(encoded):
    """EXIF's orientation, uint8: 2 to 8 if the image is stored turned or mirrored; anything else if it is not."""
    start = tf.strings.substr(encoded, 0, 1024)
    found = tf.strings.regex_replace(start, _ORIENTATION, r"\1\2")
    found = tf.where(tf.strings.length(found) == 1, found, b"\x01")
    return tf.io.decode_raw(found, tf.uint8, fixed_length=1)[0]


def _transposed(image):
    """From (height, width, 3) to (width, height, 3), by gathering pixels.

    oneDNN cannot transpose uint8 on CPUs without AVX-512, and writes an error on the screen before TensorFlow does it.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    offsets = tf.range(width)[:, None] + tf.range(height)[None] * width
    return tf.gather(tf.reshape(image, [-1, 3]), offsets)


def _upright(image, orientation):
    """Undoes what an orientation says was done to (height, width, 3)."""

    def among(*values):
        return tf.reduce_any(orientation == tf.constant(values, tf.uint8))

    def turned():
        transposed = tf.cond(among(5, 6, 7, 8), lambda: _transposed(image), lambda: image)
        left_right = tf.cond(among(2, 3, 6, 7), lambda: transposed[:, ::-1], lambda: transposed)
        return tf.cond(among(3, 4, 7, 8), lambda: left_right[::-1], lambda: left_right)

    return tf.cond((orientation >= 2) & (orientation <= 8), turned, lambda: image)


def declared_size(encoded):
    """The (height, width) as stored that an image file's header claims, int64 (2,); zeros where it cannot be told.

    Raises:
        tf.errors.InvalidArgumentError: if it is a JPEG file whose header is damaged.
    """
    jpeg = lambda: tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64)  # noqa: E731
    return tf.cond(tf.io.is_jpeg(encoded), jpeg, lambda: _size_in_header(encoded))


def _size_in_header(encoded):
    header = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, 0, 26), tf.uint8, fixed_length=28), tf.int64)

    def number(first, count, step=1):
        """The bytes from `first` on as a number, the highest first; the lowest first if `step` is -1."""
        powers = [256**i for i in range(count)][::-step]
        return tf.reduce_sum(header[first : first + count] * powers)

    kinds = {
        b"\x89PNG": (number(20, 4), number(16, 4)),
        b"GIF8": (number(8, 2, -1), number(6, 2, -1)),
        # The height is signed: below 0, the rows run downwards.
        b"BM": (tf.abs(tf.bitcast(tf.cast(number(22, 4, -1), tf.uint32), tf.int32)), number(18, 4, -1)),
    }
    size = tf.zeros([2], tf.int64)
    for magic, sides in kinds.items():
        here = tf.equal(tf.strings.substr(encoded, 0, len(magic)), magic)
        size = tf.where(here, tf.stack([tf.cast(side, tf.int64) for side in sides]), size)
    return size


def _check_size(size):
    message = f"an image must have at most {MAX_PIXELS:,} pixels and sides within 1:{MAX_ASPECT}. Received:"
    slim = tf.reduce_max(size) > MAX_ASPECT * tf.reduce_min(size)
    # The raw operation: the other one wraps it in a condition.
    return tf.raw_ops.Assert(condition=(tf.reduce_prod(size) <= MAX_PIXELS) & ~slim, data=[message, size])


def crop_from_file(encoded, resize_crop, offset, exact=True):
    """As `images.crop_from_pixels`, from an image file's bytes.

    Args:
        encoded: scalar string, a JPEG, PNG, GIF or BMP file.
        resize_crop, offset: as for `images.crop_from_pixels`.
        exact: False decodes no more of a JPEG than the window needs, and shrinks it in a way that costs half as much:
            what is left after the decoder's own halvings, a factor below two, is sampled without a filter, at whole
            pixels' place. The decoder guesses the color of the last column's far neighbors, which are cut off. Of
            an image that EXIF calls turned, the window is chosen first and turned then.

    Raises:
        tf.errors.InvalidArgumentError: as `decode` does.
    """
    return _crop_function(resize_crop, exact)(encoded, offset)


@functools.cache
def _crop_function(resize_crop, exact):
    """The function behind `crop_from_file`: traced once, however many pipelines and graphs call it."""
    signature = [tf.TensorSpec([], tf.string), tf.TensorSpec([2], tf.float32)]

    @tf.function(input_signature=signature, autograph=False, jit_compile=False)
    def window(encoded, offset):
        slowly = lambda: images.crop_from_pixels(decode(encoded), resize_crop, offset)  # noqa: E731
        quickly = lambda: _crop_from_jpeg(encoded, resize_crop, offset, slowly)  # noqa: E731
        cut = slowly() if exact else tf.cond(tf.io.is_jpeg(encoded), quickly, slowly)
        return tf.ensure_shape(cut, [resize_crop.crop, resize_crop.crop, 3])

    return window


# The decoder can leave out frequencies and so halve an image up to three times, at a gain in time.
_RATIOS = (1, 2, 4, 8)


def _crop_from_jpeg(encoded, resize_crop, offset, slowly):
    """The window of a JPEG: quickly, unless it is so small that it must grow."""
    shape = tf.io.extract_jpeg_shape(encoded)[:2]
    orientation = _orientation(encoded)

    def upright(cut, *ratio):
        return lambda: _upright(cut(encoded, shape, resize_crop, offset, *ratio), orientation)

    branches = [slowly, upright(_crop_without_resize), *(upright(_crop_with_dct_scaling, ratio) for ratio in _RATIOS)]
    # One choice, because each costs as much as a dozen small operations.
    bounds = [resize_crop.resize, resize_crop.resize + 1, *(ratio * resize_crop.resize for ratio in _RATIOS[1:])]
    branch = tf.reduce_sum(tf.cast(tf.reduce_min(shape) >= tf.constant(bounds), tf.int32))
    return tf.switch_case(branch, branches)


def _crop_without_resize(encoded, shape, resize_crop, offset):
    """A window of a JPEG that has the right size already."""
    corner = images.corner_of(shape, resize_crop, offset)
    with tf.control_dependencies([_check_size(tf.cast(shape, tf.int64))]):
        area = tf.concat([corner, [resize_crop.crop] * 2], 0)
        return tf.io.decode_and_crop_jpeg(encoded, area, channels=3, dct_method=_DCT)


def _crop_with_dct_scaling(encoded, shape, resize_crop, offset, ratio):
    """A window of a JPEG that is larger than it should be, after the decoder has divided its sides by `ratio`."""
    available = (shape + ratio - 1) // ratio  # The decoder rounds up.
    size = images.resized_shape(shape, resize_crop.resize)
    scale = tf.cast(available, tf.float32) / tf.cast(size, tf.float32)
    corner = tf.cast(images.corner_of(size, resize_crop, offset), tf.float32)
    first, last = tf.unstack(tf.cast(tf.round(tf.stack([corner, corner + resize_crop.crop]) * scale), tf.int32))
    with tf.control_dependencies([_check_size(tf.cast(shape, tf.int64))]):
        area = tf.concat([first, last - first], 0)
        window = tf.io.decode_and_crop_jpeg(encoded, area, channels=3, ratio=ratio, dct_method=_DCT)
    sampled = tf.raw_ops.ResizeBilinear(images=window[None], size=[resize_crop.crop] * 2, half_pixel_centers=True)
    return tf.cast(tf.round(sampled[0]), tf.uint8)


def center_crops(encoded, resize_crop):
    """The central windows of a batch of image files; those of files that cannot be read are black.

    Args:
        encoded: string (batch,), any number of files.
        resize_crop: `ResizeCrop`.

    Returns:
        uint8 (batch, crop, crop, 3), and bool (batch,): whether the file could be read.
    """

    def load(slot, one):
        return slot, crop_from_file(one, resize_crop, tf.fill([2], resize_crop.center_offset))

    count = tf.shape(encoded)[0]
    shape = [resize_crop.crop, resize_crop.crop, 3]
    # Only a dataset can go on after an operation that failed. One more, empty, so that there is always a batch.
    good = tf.data.Dataset.from_tensor_slices((tf.range(count), encoded)).map(load, tf.data.AUTOTUNE).ignore_errors()
    one_more = tf.data.Dataset.from_tensors((-1, tf.zeros(shape, tf.uint8)))
    slots, windows = good.concatenate(one_more).batch(tf.cast(count + 1, tf.int64)).get_single_element()
    slots, windows = slots[:-1, None], windows[:-1]
    valid = tf.scatter_nd(slots, tf.ones_like(slots[:, 0], tf.bool), [count])
    return tf.ensure_shape(tf.scatter_nd(slots, windows, [count, *shape]), [None, *shape]), valid
