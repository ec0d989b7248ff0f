"""A `Predictor` of a Keras model, which can give every inner layer as well."""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.inference.predictor import InputPreprocessing, Predictor


class KerasPredictor(Predictor):
    """Labels images with a Keras model.

    Args:
        name, class_names, preprocessing: as for `Predictor`; without a mean, nothing is subtracted.
        model: AlexNet from float32 (batch, crop, crop, 3) to probabilities (batch, classes).
    """

    def __init__(
        self, name: str, class_names: Sequence[str], preprocessing: InputPreprocessing, model: keras.Model
    ) -> None:
        super().__init__(name, class_names, preprocessing)
        self.model = model

    def probabilities(self, images: npt.ArrayLike | tf.Tensor) -> tf.Tensor:
        """See `Predictor.probabilities`."""
        return self.model(self._network_input(images), training=False)

    @functools.cached_property
    def compiled(self) -> Callable[[npt.ArrayLike | tf.Tensor], tf.Tensor]:
        """See `Predictor.compiled`."""
        return tf.function(self.probabilities, jit_compile=False, reduce_retracing=True)

    @functools.cached_property
    def outputs(self) -> dict[str, keras.KerasTensor]:
        """The symbolic output of each layer that `layers` can give, by name.

        The name of a convolution or dense layer means the output of the ReLU that follows it directly, as in Caffe.
        `pool5`, or the last pooling layer, is the input of the first dense layer; `logits` is the output of the last.
        """
        # Dropout passes its input through.
        layers = [layer for layer in self.model.layers[1:] if not isinstance(layer, keras.layers.Dropout)]
        layers = [layer for layer in layers if layer.name != "probabilities"]
        outputs, weighted = {layer.name: layer.output for layer in layers}, None
        for layer in layers:
            if isinstance(layer, keras.layers.Activation) and weighted:
                outputs[weighted] = layer.output
            elif not isinstance(layer, keras.layers.BatchNormalization):
                weighted = layer.name if hasattr(layer, "kernel") else None
        del outputs[self._names(keras.layers.Dense)[-1]]
        outputs[self.feature_names[0]] = self.model.get_layer("flatten").input
        return {**outputs, "logits": self.model.get_layer("probabilities").input, "probabilities": self.model.output}

    @property
    def layer_names(self) -> tuple[str, ...]:
        """See `Predictor.layer_names`."""
        return tuple(self.outputs)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The layers that an export gives: `pool5` and `fc7`, or the last ones that the network has instead."""
        last_pool = self._names(keras.layers.Conv2D)[-1].replace("conv", "pool")
        return (last_pool, *self._names(keras.layers.Dense)[-2:-1])

    def _names(self, kind: type[keras.layers.Layer]) -> list[str]:
        """The layers of a kind; of a product of low rank, whose first layer has no biases, only the second."""
        return [layer.name for layer in self.model.layers if isinstance(layer, kind) and layer.use_bias]

    def layers(self, images: npt.ArrayLike | tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
        """See `Predictor.layers`: e.g. `logits`, `fc7` (batch, 4096) after ReLU, `pool5` (batch, 6, 6, 256)."""
        for name in names:
            self.check_layer(name)
        network = keras.Model(self.model.inputs, {name: self.outputs[name] for name in names})
        return network(self._network_input(images), training=False)

    def image_spec(self, batch_size: int | None) -> tf.TensorSpec:
        """The `tf.TensorSpec` of images, named `image`; `batch_size` is None for any."""
        return tf.TensorSpec([batch_size, self.preprocessing.crop, self.preprocessing.crop, 3], tf.uint8, name="image")

    def _network_input(self, images: npt.ArrayLike | tf.Tensor) -> tf.Tensor:
        mean = self.preprocessing.mean
        return image_functions.subtract_mean(images, tf.constant(0.0 if mean is None else mean))
