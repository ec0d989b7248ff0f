"""A network with everything it needs to label a photograph."""

import dataclasses
import functools

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

    @property
    def geometry(self):
        """`Geometry` of images."""
        return image_functions.Geometry(self.resize, self.crop)

    @functools.cached_property
    def _layers(self):
        """The network with its inner layers as further outputs."""
        outputs = {
            "probabilities": self.model.output,
            "logits": self.model.get_layer("probabilities").input,
            **self._features,
        }
        return keras.Model(self.model.inputs, outputs)

    @functools.cached_property
    def _features(self):
        """{name: output} of what other programs may want: the last pool, and the last hidden dense layer activated."""
        last = [layer.name for layer in self.model.layers if isinstance(layer, keras.layers.Conv2D)][-1]
        outputs = {last.replace("conv", "pool"): self.model.get_layer("flatten").input}
        dense = [layer for layer in self.model.layers if isinstance(layer, keras.layers.Dense)]
        if len(dense) > 1:
            after = self.model.layers[self.model.layers.index(dense[-2]) :]
            activation = next(layer for layer in after if isinstance(layer, keras.layers.Activation))
            outputs[dense[-2].name] = activation.output
        return outputs

    @property
    def feature_names(self):
        """Names of inner layers that `layers` takes: `pool5` and `fc7`, or what the network has instead."""
        return tuple(self._features)

    def probabilities(self, pixels):
        """From uint8 (batch, crop, crop, 3) to float32 (batch, classes); usable in a graph."""
        return self.model(self._network_input(pixels), training=False)

    def layers(self, pixels, *names):
        """As `probabilities`, {name: layer}: `probabilities`, `logits`, or some of `feature_names`."""
        outputs = self._layers(self._network_input(pixels), training=False)
        return {name: outputs[name] for name in names}

    def image_spec(self, batch):
        """The `tf.TensorSpec` of pixels, named `image`; `batch` may be None for any."""
        return tf.TensorSpec([batch, self.crop, self.crop, 3], tf.uint8, name="image")

    def _network_input(self, pixels):
        return image_functions.subtract_mean(pixels, tf.constant(self.mean))


def prepare(encoded, resize, crop):
    """From an image file's bytes to uint8 (crop, crop, 3), as in evaluation; usable in a graph.

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not a JPEG, PNG, GIF or BMP image.
    """
    geometry = image_functions.Geometry(resize, crop)
    return files.window_of_file(encoded, geometry, tf.fill([2], geometry.centre))
