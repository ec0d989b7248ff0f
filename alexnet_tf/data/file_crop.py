"""Crops of resized images, straight from an image file's bytes."""

import functools
from collections.abc import Callable

import tensorflow as tf

from alexnet_tf.data import images
from alexnet_tf.data.decoding import DCT, check_jpeg, decode
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.orientation import orientation, upright

# A JPEG decoder can leave out high frequencies, and so divide the sides of an image, in less time.
_DCT_RATIOS = (1, 2, 4, 8)


def crop_from_file(encoded: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor, exact: bool = True) -> tf.Tensor:
    """As `images.crop_from_pixels`, from the bytes of an image file.

    Args:
        encoded: scalar string, a JPEG, PNG, GIF or BMP file.
        resize_crop: the sizes.
        offset: float32 (2,), as for `images.crop_from_pixels`.
        exact: False decodes no more of a JPEG than the crop needs, and resizes it in half the time: the decoder
            divides the sides by up to 8, and the rest, a factor below 2, is sampled without anti-aliasing at whole
            pixels. The last column may differ, because the decoder guesses the color of its cut-off neighbors. In an
            image that EXIF rotates, the crop is taken before the rotation.

    Returns:
        uint8 (crop, crop, 3).

    Raises:
        tf.errors.InvalidArgumentError: as `decoding.decode` does.
    """
    return _crop_function(resize_crop, exact)(encoded, offset)


@functools.cache
def _crop_function(resize_crop: ResizeCrop, exact: bool) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The function behind `crop_from_file`, traced once for all pipelines and graphs."""
    signature = [tf.TensorSpec([], tf.string), tf.TensorSpec([2], tf.float32)]

    @tf.function(input_signature=signature, autograph=False, jit_compile=False)
    def crop(encoded: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        exactly = lambda: images.crop_from_pixels(decode(encoded), resize_crop, offset)  # noqa: E731
        cropped = exactly() if exact else _fast_crop(encoded, resize_crop, offset, exactly)
        return tf.ensure_shape(cropped, [resize_crop.crop, resize_crop.crop, 3])

    return crop


def _fast_crop(
    encoded: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor, exactly: Callable[[], tf.Tensor]
) -> tf.Tensor:
    """The crop in the fast way, unless the file is no JPEG, or the image must be enlarged."""
    no_plan = lambda: (tf.constant(0), tf.zeros([4], tf.int32), tf.constant(1, tf.uint8))  # noqa: E731
    way, area, turned = tf.cond(tf.io.is_jpeg(encoded), lambda: _plan(encoded, resize_crop, offset), no_plan)

    def decoded(ratio: int) -> tf.Tensor:
        return tf.io.decode_and_crop_jpeg(encoded, area, channels=3, ratio=ratio, dct_method=DCT)

    def sampled(ratio: int) -> tf.Tensor:
        size = [resize_crop.crop] * 2
        pixels = tf.raw_ops.ResizeBilinear(images=decoded(ratio)[None], size=size, half_pixel_centers=True)
        return tf.cast(tf.round(pixels[0]), tf.uint8)

    # One switch, because each condition costs as much as a dozen small operations.
    ways = [exactly, lambda: decoded(1), *(functools.partial(sampled, ratio) for ratio in _DCT_RATIOS)]
    return upright(tf.switch_case(way, ways), turned)


def _plan(encoded: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """How to crop a JPEG.

    Returns:
        way: int32, 0 for an image that must be enlarged, 1 for one that has the right size already, and from 2 on one
            for each of `_DCT_RATIOS`.
        area: int32 (4,), what the decoder crops from the image that it has divided: y, x, height and width.
        turned: uint8, EXIF's orientation; 1 for way 0.
    """
    shape = tf.io.extract_jpeg_shape(encoded)[:2]
    with tf.control_dependencies(check_jpeg(encoded, shape)):
        encoded = tf.identity(encoded)
    bounds = [resize_crop.resize, resize_crop.resize + 1, *(ratio * resize_crop.resize for ratio in _DCT_RATIOS[1:])]
    way = tf.reduce_sum(tf.cast(tf.reduce_min(shape) >= tf.constant(bounds), tf.int32))
    ratio = tf.gather([1, 1, *_DCT_RATIOS], way)
    available = (shape + ratio - 1) // ratio  # The decoder rounds up.
    size = images.resized_shape(shape, resize_crop.resize)
    scale = tf.cast(available, tf.float32) / tf.cast(size, tf.float32)
    corner = tf.cast(images.corner_of(size, resize_crop, offset), tf.float32)
    first, last = tf.unstack(tf.cast(tf.round(tf.stack([corner, corner + resize_crop.crop]) * scale), tf.int32))
    turned = tf.where(way > 0, orientation(encoded), 1)
    return way, tf.concat([first, last - first], 0), turned
