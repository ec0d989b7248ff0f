"""Dense layers as products of low rank: the projection of their outputs on principal components.

A dense layer gives `y = x W + b`. With the mean `m` of its outputs on real images and their first principal components
as the columns of `V`, the projection of the outputs is

    m + (y − m) V Vᵀ = x (W V) Vᵀ + m + (b − m) V Vᵀ,

which is a layer with the kernel `W V` and no biases, followed by one with the kernel `Vᵀ` and new biases. No other
product of that rank has a smaller squared error on these images. The singular values of `W` itself would not do: those
of a trained `fc6` are nearly equal, because most of it still is its random initialization, while its outputs on images
vary in few directions.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data import images as image_functions
from alexnet_tf.data.pipeline import read_split
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import Run

_BATCH = 64

Array = npt.NDArray[np.floating]


@dataclasses.dataclass(frozen=True)
class Components:
    """The principal components of a dense layer's outputs, before its activation.

    Attributes:
        mean: (units,).
        directions: (components, units), orthonormal, the one with the largest variance first.
        variances: (components,), along these directions.
    """

    mean: Array
    directions: Array
    variances: Array

    @classmethod
    def of(cls, outputs: Array) -> "Components":
        """The components of outputs (images, units).

        They follow from the eigenvectors of the images' inner products: for 2,000 images and 4,096 units, a singular
        value decomposition takes several times as long.
        """
        mean = outputs.mean(0, dtype=np.float64)
        centered = outputs - mean
        variances, of_images = np.linalg.eigh(centered @ centered.T / len(outputs))
        # In exact arithmetic, the product has orthogonal columns already; the last ones may be 0.
        directions, _ = np.linalg.qr(centered.T @ of_images[:, ::-1])
        variances = np.maximum(variances[::-1], 0)[: directions.shape[1]]
        return cls(*(array.astype(np.float32) for array in (mean, directions.T, variances)))

    def lost(self, rank: int) -> float:
        """The fraction of the outputs' variance that a projection on `rank` components loses."""
        return float(self.variances[rank:].sum() / max(self.variances.sum(), np.finfo(np.float32).tiny))

    def project(self, kernel: Array, bias: Array, rank: int) -> tuple[Array, Array, Array]:
        """The product that replaces a layer, see above.

        Args:
            kernel: (inputs, units).
            bias: (units,).
            rank: of the product.

        Returns:
            The kernels (inputs, rank) and (rank, units), and the bias (units,).
        """
        directions = self.directions[:rank]
        new_bias = self.mean + (bias - self.mean) @ directions.T @ directions
        return kernel @ directions.T, directions, new_bias


def components_of(run: Run, layers: Sequence[str], count: int) -> dict[str, Components]:
    """The principal components of dense layers on a random sample of a run's training images.

    Args:
        run: the trained network.
        layers: names of dense layers.
        count: number of images at most, of which the central crops are taken.
    """
    split = run.dataset.train
    count = min(count, split.count)
    network = keras.Model(run.model.inputs, [run.model.get_layer(name).output for name in layers])
    mean, progress = tf.constant(run.mean), Progress("activations", count)

    @tf.function(reduce_retracing=True, jit_compile=False)
    def outputs_of(images: tf.Tensor) -> list[tf.Tensor]:
        return network(image_functions.subtract_mean(images, mean), training=False)

    batches: list[list[Array]] = []
    read = read_split(split, len(run.class_names), min(_BATCH, count), run.preprocessing, count=count, seed=0)
    for number, examples in enumerate(read, 1):
        if len(examples.labels):
            batches.append([outputs.numpy() for outputs in outputs_of(examples.images)])
        progress.update(min(count, number * _BATCH))
    columns = (np.concatenate(column) for column in zip(*batches, strict=True))
    return {name: Components.of(outputs) for name, outputs in zip(layers, columns, strict=True)}


def project(source: keras.Model, target: keras.Model, components: Mapping[str, Components]) -> None:
    """Assigns a network's weights to one in which some dense layers are products of low rank.

    Args:
        source: the network.
        target: the same network with `Recipe.dense_ranks`.
        components: of each layer that is a product in `target`.
    """
    names = {layer.name for layer in target.layers}
    for layer in (layer for layer in source.layers if layer.weights):
        bottleneck = f"bottleneck{layer.name[-1]}"
        if layer.name in components and bottleneck in names:
            first, second = target.get_layer(bottleneck), target.get_layer(layer.name)
            kernel, bias = layer.get_weights()
            into, out_of, new_bias = components[layer.name].project(kernel, bias, first.units)
            first.set_weights([into])
            second.set_weights([out_of, new_bias])
        else:
            target.get_layer(layer.name).set_weights(layer.get_weights())
