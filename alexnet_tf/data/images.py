"""Image functions, shared by training, evaluation and inference; all work eagerly and inside `tf.data.Dataset.map`.

Pixels are from 0 to 255 everywhere: uint8 until batched, float32 from `subtract_mean` on. Single images are (height,
width, 3), batches (batch, height, width, 3).
"""

import dataclasses
from typing import Any

import tensorflow as tf

from alexnet_tf.errors import UserError

VIEWS = 10


@dataclasses.dataclass(frozen=True)
class ResizeCrop:
    """Sizes of an image in pixels.

    Attributes:
        resize: the shorter side after resizing.
        crop: side of the square that is cropped from the central square of the resized image.
    """

    resize: int
    crop: int

    @property
    def offsets_per_axis(self) -> int:
        """The number of possible crop offsets on each axis."""
        return self.resize - self.crop + 1

    @property
    def center_offset(self) -> float:
        """The offset of the central crop on both axes; rounded toward the top left if the margin is odd."""
        return ((self.resize - self.crop) // 2 + 0.5) / self.offsets_per_axis


def resize_shorter_side(image: tf.Tensor, side: int) -> tf.Tensor:
    """Resizes one uint8 image to a shorter side of `side` pixels, bilinear with anti-aliasing; uint8.

    Reference: section 2 of the paper.
    """
    size = resized_shape(tf.shape(image)[:2], side)
    # An image of the right size stays unchanged, bit for bit, at no cost.
    unchanged = tf.reduce_all(tf.equal(size, tf.shape(image)[:2]))
    return tf.cond(unchanged, lambda: image, lambda: _resize(image, size))


def resized_shape(shape: tf.Tensor, side: int) -> tf.Tensor:
    """The int32 (height, width) of an image after its shorter side is resized to `side`."""
    shape = tf.cast(shape, tf.float64)
    return tf.cast(tf.round(shape * (tf.cast(side, tf.float64) / tf.reduce_min(shape))), tf.int32)


def _resize(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    resized = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def central_crop(images: Any, size: int) -> Any:
    """Crops the central `size` by `size` pixels of an image, a batch, or a mean image; array or tensor.

    If the margin is odd, the crop is one pixel nearer to the top and to the left.

    Raises:
        UserError: if the image is known to be smaller than the crop.
    """
    height, width = (images.shape[axis] or tf.shape(images)[axis] for axis in (-3, -2))
    for side in (height, width):
        if isinstance(side, int) and side < size:
            raise UserError(f"size must be at most the sides of the image {images.shape}, got {size}")
    return crop(images, ((height - size) // 2, (width - size) // 2), size)


def crop(images: Any, corner: Any, size: int) -> Any:
    """Crops `size` by `size` pixels; `corner` is the top left pixel, (y, x)."""
    y, x = corner
    cut = images[..., y : y + size, x : x + size, :]
    if isinstance(cut, tf.Tensor):
        cut = tf.ensure_shape(cut, [*images.shape[:-3], size, size, images.shape[-1]])
    return cut


def flip(images: tf.Tensor, flags: tf.Tensor) -> tf.Tensor:
    """Mirrors the images of a batch whose flag, bool (batch,), is set, left to right."""
    # Not images[:, :, ::-1], which takes TensorFlow 30 times as long on a CPU.
    return tf.where(flags[:, None, None, None], tf.reverse(images, [2]), images)


def add_color_noise(
    images: tf.Tensor, strengths: tf.Tensor, eigenvalues: tf.Tensor, eigenvectors: tf.Tensor
) -> tf.Tensor:
    """Shifts each image's color along the principal components of the training set's colors.

    The paper multiplies by eigenvalues (section 4.1). The 2012 code (`convdata_jpeg.py`) and this function multiply by
    their square roots, the standard deviations in gray levels.

    Args:
        images: float32 (batch, height, width, 3), 0 to 255 with or without the mean.
        strengths: float32 (batch, 3), one draw per image from N(0, 0.1²).
        eigenvalues: float32 (3,), of the RGB covariance in squared gray levels.
        eigenvectors: float32 (3, 3), one per column, in the same order.

    Returns:
        float32, the shape of `images`, not clipped.
    """
    shift = tf.linalg.matvec(eigenvectors, strengths * tf.sqrt(eigenvalues))
    return images + shift[:, None, None, :]


def subtract_mean(images: tf.Tensor, mean: Any) -> tf.Tensor:
    """Turns pixels into the network's float32 input; `mean` is (3,) or (height, width, 3)."""
    return tf.cast(images, tf.float32) - mean


def add_mean(inputs: tf.Tensor, mean: Any) -> tf.Tensor:
    """Turns the network's input back into uint8 pixels, rounded and clipped; `mean` as for `subtract_mean`."""
    return tf.cast(tf.clip_by_value(tf.round(inputs + mean), 0, 255), tf.uint8)


def ten_views(images: tf.Tensor, size: int) -> tf.Tensor:
    """Crops the ten test views of section 4.1: four corners, the center, and these five mirrored.

    Args:
        images: (batch, height, width, 3), any dtype.
        size: side of a view in pixels.

    Returns:
        (batch, 10, size, size, 3): top left, top right, bottom left, bottom right, center, then mirrored.
    """
    bottom, right = images.shape[1] - size, images.shape[2] - size
    corners = [crop(images, corner, size) for corner in ((0, 0), (0, right), (bottom, 0), (bottom, right))]
    views = tf.stack([*corners, central_crop(images, size)], axis=1)
    return tf.concat([views, tf.reverse(views, [3])], axis=1)


def crop_from_pixels(image: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor) -> tf.Tensor:
    """Resizes one uint8 image, with anti-aliasing, and crops a square from its central square.

    Args:
        image: uint8 (height, width, 3).
        resize_crop: the sizes.
        offset: float32 (2,), y and x in [0, 1): the position of the crop among the `offsets_per_axis` of each axis.

    Returns:
        uint8 (crop, crop, 3).
    """
    resized = resize_shorter_side(image, resize_crop.resize)
    return crop(resized, tf.unstack(corner_of(tf.shape(resized)[:2], resize_crop, offset)), resize_crop.crop)


def corner_of(shape: tf.Tensor, resize_crop: ResizeCrop, offset: tf.Tensor) -> tf.Tensor:
    """The top left pixel, int32 (2,), of a crop in a resized image of that (height, width)."""
    steps = tf.cast(offset * resize_crop.offsets_per_axis, tf.int32)
    # Rounding in float32 can give the upper end, which is not an offset.
    return (shape - resize_crop.resize) // 2 + tf.minimum(steps, resize_crop.offsets_per_axis - 1)
