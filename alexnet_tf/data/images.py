"""Image functions, shared by training, evaluation and serving; each works eagerly and inside `tf.data.map`.

Pixels are on the scale 0 to 255 everywhere: uint8 until batched, float32 from `subtract_mean` on. Single images
are (height, width, 3), batches (batch, height, width, 3).
"""

import dataclasses

import tensorflow as tf

VIEWS = 10


@dataclasses.dataclass(frozen=True)
class ResizeCrop:
    """Sizes in pixels: the shorter side is resized to `resize`, a window of `crop` is cut from the central square."""

    resize: int
    crop: int

    @property
    def offsets_per_axis(self):
        """The number of offsets that a window can have each way."""
        return self.resize - self.crop + 1

    @property
    def center_offset(self):
        """The offset of the central crop, on both axes; rounded toward the top left corner where the margin is odd."""
        return ((self.resize - self.crop) // 2 + 0.5) / self.offsets_per_axis


def resize_shorter_side(image, side):
    """Resizes one uint8 image so that its shorter side has `side` pixels; anti-aliased bilinear, uint8.

    Reference: section 2 of the paper.
    """
    size = resized_shape(tf.shape(image)[:2], side)
    # An image of the right size is left as it is, bit for bit, and costs nothing.
    unchanged = tf.reduce_all(tf.equal(size, tf.shape(image)[:2]))
    return tf.cond(unchanged, lambda: image, lambda: _resize(image, size))


def resized_shape(shape, side):
    """The int32 (height, width) that an image of some shape gets when its shorter side is made `side`."""
    shape = tf.cast(shape, tf.float64)
    return tf.cast(tf.round(shape * (tf.cast(side, tf.float64) / tf.reduce_min(shape))), tf.int32)


def _resize(image, size):
    resized = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def central_crop(images, size):
    """Cuts the central `size` by `size` pixels out of an image, a batch, or a mean image.

    Where the margin is odd, the crop lies one pixel nearer to the top and to the left.

    Raises:
        ValueError: if the image is known to be smaller than the crop.
    """
    height, width = (images.shape[axis] or tf.shape(images)[axis] for axis in (-3, -2))
    for side in (height, width):
        if isinstance(side, int) and side < size:
            raise ValueError(f"size must be at most the image's sides. Received: size={size}, image {images.shape}")
    return crop(images, ((height - size) // 2, (width - size) // 2), size)


def crop(images, corner, size):
    """Cuts `size` by `size` pixels whose top left pixel is `corner` = (y, x)."""
    y, x = corner
    cut = images[..., y : y + size, x : x + size, :]
    if isinstance(cut, tf.Tensor):
        cut = tf.ensure_shape(cut, [*images.shape[:-3], size, size, images.shape[-1]])
    return cut


def flip(images, flags):
    """Mirrors left and right those images of a batch whose flag, bool (batch,), is set."""
    return tf.where(flags[:, None, None, None], images[:, :, ::-1], images)


def add_color_noise(images, strengths, eigenvalues, eigenvectors):
    """Shifts each image's color along the principal axes of the training set's colors.

    The paper prints eigenvalues (section 4.1); what ran, and what is done here, uses their square roots, the
    standard deviations in gray levels (`convdata_jpeg.py` of the 2012 code).

    Args:
        images: float32 (batch, height, width, 3), 0 to 255 with or without the mean.
        strengths: float32 (batch, 3), one draw an image from N(0, 0.1²).
        eigenvalues: float32 (3,), of the RGB covariance in squared gray levels.
        eigenvectors: float32 (3, 3), one a column, in the same order.

    Returns:
        float32, the shape of `images`, not clipped.
    """
    shift = tf.linalg.matvec(eigenvectors, strengths * tf.sqrt(eigenvalues))
    return images + shift[:, None, None, :]


def subtract_mean(images, mean):
    """Turns pixels into the network's float32 input; `mean` is (3,), or (height, width, 3) as `images`."""
    return tf.cast(images, tf.float32) - mean


def add_mean(inputs, mean):
    """Turns the network's input back into uint8 pixels, rounded and clipped; `mean` as for `subtract_mean`."""
    return tf.cast(tf.clip_by_value(tf.round(inputs + mean), 0, 255), tf.uint8)


def ten_views(images, size):
    """Cuts the ten test views of section 4.1: four corners, the center, and these five mirrored.

    Args:
        images: (batch, height, width, 3), any dtype.
        size: side of a view in pixels.

    Returns:
        (batch, 10, size, size, 3): top left, top right, bottom left, bottom right, center, then mirrored.
    """
    bottom, right = images.shape[1] - size, images.shape[2] - size
    corners = [crop(images, corner, size) for corner in ((0, 0), (0, right), (bottom, 0), (bottom, right))]
    views = tf.stack([*corners, central_crop(images, size)], axis=1)
    return tf.concat([views, views[:, :, :, ::-1]], axis=1)


def crop_from_pixels(image, resize_crop, offset):
    """Resizes one uint8 image, anti-aliased, and cuts a window out of its central square.

    Args:
        image: uint8 (height, width, 3).
        resize_crop: `ResizeCrop`.
        offset: float32 (2,), y and x in [0, 1): which of the windows, of which there are `resize_crop.offsets_per_axis` each way.

    Returns:
        uint8 (crop, crop, 3).
    """
    resized = resize_shorter_side(image, resize_crop.resize)
    return crop(resized, tf.unstack(corner_of(tf.shape(resized)[:2], resize_crop, offset)), resize_crop.crop)


def corner_of(shape, resize_crop, offset):
    """The top left pixel, int32 (2,), of a window in an image of the right size."""
    steps = tf.cast(offset * resize_crop.offsets_per_axis, tf.int32)
    # Rounding in float32 can reach the upper end, which is excluded.
    return (shape - resize_crop.resize) // 2 + tf.minimum(steps, resize_crop.offsets_per_axis - 1)
