"""Random crops, flips and color noise of training images: section 4.1 of the paper."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The random variation of training images.

    Attributes:
        random_crop: whether crops are random; if not, central.
        flip: whether half of the images are mirrored.
        color_noise: whether colors are shifted.
        crop_group_size: consecutive images of a batch that share one crop and one flip (32 in `convdata_jpeg.py` of
            the 2012 code).
    """

    random_crop: bool = True
    flip: bool = True
    color_noise: bool = True
    crop_group_size: int = 1


class Draws:
    """The random numbers of each training step, for the whole global batch.

    They depend only on the seed, the step and the position in the global batch.
    """

    def __init__(self, seed: int, batch_size: int, augmentation: Augmentation) -> None:
        self.seed, self.batch_size, self.augmentation = seed, batch_size, augmentation

    def offsets(self, step: tf.Tensor) -> tf.Tensor:
        """Crop offsets: float32 (batch_size, 2) in [0, 1)."""
        return self._for_groups(0, step, 2)

    def flips(self, step: tf.Tensor) -> tf.Tensor:
        """Whether each image is mirrored: bool (batch_size,)."""
        return (self._for_groups(1, step) < 0.5) & self.augmentation.flip

    def colors(self, step: tf.Tensor) -> tf.Tensor:
        """Strengths of the color noise, from N(0, 0.1²): float32 (batch_size, 3)."""
        drawn = tf.random.stateless_normal([self.batch_size, 3], self._seed(2, step), stddev=0.1)
        return drawn * float(self.augmentation.color_noise)

    def _seed(self, purpose: int, step: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_fold_in([self.seed, purpose], step)

    def _for_groups(self, purpose: int, step: tf.Tensor, *shape: int) -> tf.Tensor:
        """Uniform numbers in [0, 1), the same for all images of a group."""
        group = self.augmentation.crop_group_size
        drawn = tf.random.stateless_uniform([-(-self.batch_size // group), *shape], self._seed(purpose, step))
        return tf.repeat(drawn, group, axis=0)[: self.batch_size]
