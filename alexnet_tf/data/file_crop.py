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
        fast = lambda: _crop_from_jpeg(encoded, resize_crop, offset, exactly)  # noqa: E731
        cropped = exactly() if exact else tf.cond(tf.io.is_jpeg(encoded), fast, exactly)
        return tf.ensure_shape(cropped, [resize_crop.crop, resize_crop.crop, 3])

    return crop


def _crop_from_jpeg(
    encoded: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor, exactly: Callable[[], tf.Tensor]
) -> tf.Tensor:
    """The crop of a JPEG in the fast way, unless the image must be enlarged."""
    shape = tf.io.extract_jpeg_shape(encoded)[:2]
    with tf.control_dependencies(check_jpeg(encoded, shape)):
        encoded = tf.identity(encoded)
    turned = orientation(encoded)

    def branch(crop: Callable[..., tf.Tensor], *ratio: int) -> Callable[[], tf.Tensor]:
        return lambda: upright(crop(encoded, shape, resize_crop, offset, *ratio), turned)

    branches = [exactly, branch(_crop_without_resize), *(branch(_crop_with_dct_scaling, r) for r in _DCT_RATIOS)]
    # One switch, because each condition costs as much as a dozen small operations.
    bounds = [resize_crop.resize, resize_crop.resize + 1, *(ratio * resize_crop.resize for ratio in _DCT_RATIOS[1:])]
    index = tf.reduce_sum(tf.cast(tf.reduce_min(shape) >= tf.constant(bounds), tf.int32))
    return tf.switch_case(index, branches)


def _crop_without_resize(encoded: tf.Tensor, shape: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor) -> tf.Tensor:
    """The crop of a JPEG that has the right size already."""
    corner = images.corner_of(shape, resize_crop, offset)
    area = tf.concat([corner, [resize_crop.crop] * 2], 0)
    return tf.io.decode_and_crop_jpeg(encoded, area, channels=3, dct_method=DCT)


def _crop_with_dct_scaling(
    encoded: tf.Tensor, shape: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor, ratio: int
) -> tf.Tensor:
    """The crop of a JPEG that is too large, after the decoder has divided its sides by `ratio`."""
    available = (shape + ratio - 1) // ratio  # The decoder rounds up.
    size = images.resized_shape(shape, resize_crop.resize)
    scale = tf.cast(available, tf.float32) / tf.cast(size, tf.float32)
    corner = tf.cast(images.corner_of(size, resize_crop, offset), tf.float32)
    first, last = tf.unstack(tf.cast(tf.round(tf.stack([corner, corner + resize_crop.crop]) * scale), tf.int32))
    area = tf.concat([first, last - first], 0)
    window = tf.io.decode_and_crop_jpeg(encoded, area, channels=3, ratio=ratio, dct_method=DCT)
    sampled = tf.raw_ops.ResizeBilinear(images=window[None], size=[resize_crop.crop] * 2, half_pixel_centers=True)
    return tf.cast(tf.round(sampled[0]), tf.uint8)
