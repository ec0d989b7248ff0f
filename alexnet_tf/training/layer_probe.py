"""What the layers of a network look like during training: norms, gradients, dead ReLUs, samples for histograms."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data import pipeline
from alexnet_tf.data.images import add_mean
from alexnet_tf.data.network_input import network_input
from alexnet_tf.data.sampling import Shard
from alexnet_tf.data.sources import Dataset
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.training.loss_scale import LossScale

# The probe uses the first part of a batch with about this many images.
PROBE_IMAGES = 64
# A histogram is made of about this many values of a tensor: TensorBoard's own code takes 240 bytes a value.
HISTOGRAM_VALUES = 2**16

SCALARS = ("weight_norm", "gradient_norm", "dead_relus")
HISTOGRAMS = ("weights", "biases", "activations")

LayerValues = dict[str, dict[str, npt.NDArray]]


class LayerProbe:
    """Measures a network on the first images of the run's first batch.

    The images are the same throughout the run, so that changes in the values come from the network. They pass through
    it as in training, but without dropout. Probing changes no variable and draws no random number.

    Args:
        recipe: the run's recipe.
        dataset: the run's dataset.
        model: network with probabilities as output.
        mean, color_pca: as for `network_input`.
        loss_scale: float16's loss scale, or None.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        model: keras.Model,
        mean: npt.NDArray,
        color_pca: Sequence[npt.NDArray],
        loss_scale: LossScale | None = None,
    ) -> None:
        self._recipe, self._dataset, self._loss_scale = recipe, dataset, loss_scale
        self._mean, self._color_pca = tf.constant(mean), [tf.constant(part) for part in color_pca]
        self._weighted = {layer.name: layer for layer in model.layers if hasattr(layer, "kernel")}
        self._activations = _activation_layers(model)
        outputs = [layer.output for layer in self._activations.values()]
        self._inside = keras.Model(model.inputs, [*outputs, model.get_layer("probabilities").input])
        self._compiled = tf.function(self._values, autograph=False, jit_compile=False)

    @functools.cached_property
    def batch(self) -> dict[str, tf.Tensor]:
        """The first part of the run's first batch, see `pipeline.training_batches`."""
        recipe = self._recipe
        # The start of a dataset is quick to reach, whatever it is stored as.
        shard = Shard(replicas=max(1, recipe.batch_size // PROBE_IMAGES))
        batches = pipeline.training_batches(
            self._dataset.train, len(self._dataset.class_names), recipe.batch_size, recipe.resize_crop,
            recipe.augmentation(0), recipe.seed, range(1), shard,
        )  # fmt: skip
        return next(iter(batches))

    def inputs(self) -> tf.Tensor:
        """The network's input for `batch`: float32 (batch, crop, crop, 3), augmented, the mean subtracted."""
        color_pca = self._color_pca if self._recipe.augmentation(0).color_noise else None
        return network_input(self.batch, self._mean, color_pca, self._recipe.color_noise_divisor)

    def augmented(self) -> npt.NDArray[np.uint8]:
        """The images of `inputs`, with the mean added back: uint8 (batch, crop, crop, 3)."""
        return add_mean(self.inputs(), self._mean).numpy()

    def measure(self) -> LayerValues:
        """Returns {kind: {layer: float32 array}} for each of `SCALARS` and `HISTOGRAMS`."""
        scale = self._loss_scale.scale if self._loss_scale else tf.ones([])
        values = self._compiled(self.inputs(), self.batch["label"], self.batch["weight"], scale)
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), values)

    def _values(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, scale: tf.Tensor) -> dict[str, Any]:
        kernels = {name: layer.kernel for name, layer in self._weighted.items() if layer.trainable}
        with tf.GradientTape() as tape:
            *outputs, logits = self._inside(images, training=False)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
            loss = tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights)) * scale
        gradients = tape.gradient(loss, kernels)
        activations = dict(zip(self._activations, outputs, strict=True))
        *_, head = self._weighted
        relus = {name: activations[name] for name, layer in self._activations.items() if _is_relu(layer)}
        return {
            "weight_norm": {name: tf.norm(layer.kernel) for name, layer in self._weighted.items()},
            "gradient_norm": {name: tf.norm(gradient) / scale for name, gradient in gradients.items()},
            "dead_relus": {name: dead_fraction(relu, weights > 0) for name, relu in relus.items()},
            "weights": {name: sample(layer.kernel) for name, layer in self._weighted.items()},
            "biases": {name: sample(layer.bias) for name, layer in self._weighted.items() if layer.use_bias},
            "activations": {name: sample(values) for name, values in {**activations, head: logits}.items()},
        }


def dead_fraction(activations: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """The fraction of units that are 0 for every valid example; in a convolution, of channels that are 0 everywhere.

    Args:
        activations: (batch, ..., units), after a ReLU.
        valid: bool (batch,).
    """
    axes = tuple(range(1, activations.shape.rank - 1))
    alive = tf.reduce_any(activations > 0, axis=axes) if axes else activations > 0
    return 1 - tf.reduce_mean(tf.cast(tf.reduce_any(alive & valid[:, None], axis=0), tf.float32))


def sample(tensor: tf.Tensor | keras.Variable) -> tf.Tensor:
    """About `HISTOGRAM_VALUES` values of a tensor, evenly spaced, as float32 (values,)."""
    values = tf.reshape(tf.convert_to_tensor(tensor), [-1])
    # An odd stride: numbers of channels are even, and every channel must be sampled.
    return tf.cast(values[:: tf.size(values) // HISTOGRAM_VALUES | 1], tf.float32)


def _activation_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """{name of a convolution or dense layer: the activation layer that follows it}."""
    followers, weighted = {}, ""
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            weighted = layer.name
        elif isinstance(layer, keras.layers.Activation) and layer.name != "probabilities":
            followers[weighted] = layer
    return followers


def _is_relu(layer: keras.layers.Layer) -> bool:
    return layer.activation is keras.activations.relu
