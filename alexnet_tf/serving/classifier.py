"""A network with everything it needs to label a photograph."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.data import files
from alexnet_tf.data import images as image_functions


@dataclasses.dataclass(frozen=True)
class Classifier:
    """What is exported.

    Attributes:
        model: `keras.Model` from (batch, crop, crop, 3) to probabilities (batch, classes).
        mean: float32 (crop, crop, 3) or (3,), subtracted from pixels.
        resize, crop: pixels; the shorter side is resized to `resize`, the central `crop` by `crop` is used.
        class_names: tuple of str.
    """

    model: keras.Model
    mean: np.ndarray
    resize: int
    crop: int
    class_names: tuple

    def probabilities(self, pixels):
        """From uint8 (batch, crop, crop, 3) to float32 (batch, classes); usable in a graph."""
        return self.model(image_functions.subtract_mean(pixels, tf.constant(self.mean)), training=False)


def prepare(encoded, resize, crop):
    """From an image file's bytes to uint8 (crop, crop, 3), as in evaluation; usable in a graph.

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not a JPEG, PNG, GIF or BMP image.
    """
    geometry = image_functions.Geometry(resize, crop)
    return files.window_of_file(encoded, geometry, tf.fill([2], geometry.centre))
