"""A network with everything it needs to label a photograph."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.data import decoding
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
    def resize_crop(self):
        """`ResizeCrop` of images."""
        return image_functions.ResizeCrop(self.resize, self.crop)

    @functools.cached_property
    def outputs(self):
        """What `layers` can give, by name: the symbolic outputs of the network's layers.

        A layer with weights is meant with the ReLU that follows it at once, as in Caffe; `pool5`, or the last pool
        that there is, is what the dense layers see; `logits` is what the last of them gives.
        """
        # Dropout gives what it gets.
        layers = [layer for layer in self.model.layers[1:] if not isinstance(layer, keras.layers.Dropout)]
        layers = [layer for layer in layers if layer.name != "probabilities"]
        found, weighted = {layer.name: layer.output for layer in layers}, None
        for layer in layers:
            if isinstance(layer, keras.layers.Activation) and weighted:
                found[weighted] = layer.output
            elif not isinstance(layer, keras.layers.BatchNormalization):
                weighted = layer.name if hasattr(layer, "kernel") else None
        del found[self._names(keras.layers.Dense)[-1]]
        found[self.feature_names[0]] = self.model.get_layer("flatten").input
        return {**found, "logits": self.model.get_layer("probabilities").input, "probabilities": self.model.output}

    @property
    def feature_names(self):
        """The `outputs` that other programs may want: `pool5` and `fc7`, or what the network has instead."""
        last_pool = self._names(keras.layers.Conv2D)[-1].replace("conv", "pool")
        return (last_pool, *self._names(keras.layers.Dense)[-2:-1])

    def _names(self, kind):
        return [layer.name for layer in self.model.layers if isinstance(layer, kind)]

    def probabilities(self, pixels):
        """From uint8 (batch, crop, crop, 3) to float32 (batch, classes); usable in a graph."""
        return self.model(self._network_input(pixels), training=False)

    def layers(self, pixels, *names):
        """As `probabilities`, {name: layer}, of `outputs`: e.g. `logits`, `fc7` (batch, 4096) after ReLU, `pool5`."""
        network = keras.Model(self.model.inputs, {name: self.outputs[name] for name in names})
        return network(self._network_input(pixels), training=False)

    def image_spec(self, batch):
        """The `tf.TensorSpec` of pixels, named `image`; `batch` may be None for any."""
        return tf.TensorSpec([batch, self.crop, self.crop, 3], tf.uint8, name="image")

    def _network_input(self, pixels):
        return image_functions.subtract_mean(pixels, tf.constant(self.mean))


def check_layer(layer, known):
    """Raises ValueError if a layer is none of those known."""
    if layer not in known:
        raise ValueError(f"layer must be one of {', '.join(known)}. Received: layer={layer!r}")


def prepare(encoded, resize, crop):
    """From an image file's bytes to uint8 (crop, crop, 3), as in evaluation; usable in a graph.

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not a JPEG, PNG, GIF or BMP image.
    """
    resize_crop = image_functions.ResizeCrop(resize, crop)
    return decoding.crop_from_file(encoded, resize_crop, tf.fill([2], resize_crop.center_offset))
