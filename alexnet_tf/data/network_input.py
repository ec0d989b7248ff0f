"""From a training batch to the network's input, on the device."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from alexnet_tf.data import images as image_functions


def network_input(
    batch: dict[str, tf.Tensor], mean: Any, color_pca: Sequence[Any] | None = None, divisor: float = 1.0
) -> tf.Tensor:
    """Flips the images, subtracts the mean and adds color noise.

    Args:
        batch: one dict of `pipeline.training_batches`.
        mean: as for `images.subtract_mean`.
        color_pca: (eigenvalues, eigenvectors) of the colors; None for no color noise.
        divisor: what the input with its color noise is divided by; 1.1 in the 2012 code (`convdata_jpeg.py`).

    Returns:
        float32 (batch, crop, crop, 3).
    """
    images = image_functions.flip(batch["image"], batch["flip"])
    images = image_functions.subtract_mean(images, mean)
    if color_pca is None:
        return images
    return image_functions.add_color_noise(images, batch["color"], *color_pca) / divisor
