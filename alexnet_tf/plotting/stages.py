"""A network as the stages of a drawing, with sizes read from the model."""

import dataclasses
from typing import Any

import keras

from alexnet_tf.models import cost
from alexnet_tf.models.layers import LocalResponseNormalization, SpatialNormalization


@dataclasses.dataclass
class Stage:
    """A column of the drawing: the image, or a convolution or dense layer with the layers up to the next one.

    Attributes:
        name: `image`, `conv1` … `fc8`.
        shape: of the output without the batch: (height, width, channels), or (units,).
        towers: number of parts that the output is divided into.
        kernel: (height, width, channels) of a convolution's kernels, else ().
        stride: of a convolution.
        coverage: fraction of its input's height that a kernel covers.
        crosses: whether each of its towers sees all towers of the stage before.
        notes: what the following layers do to the output, a few words each.
    """

    name: str
    shape: tuple[int, ...]
    towers: int = 1
    kernel: tuple[int, ...] = ()
    stride: int = 1
    coverage: float = 0.0
    crosses: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> str:
        """The shape of one tower's output, as text."""
        return "×".join(map(str, (*self.shape[:-1], self.shape[-1] // self.towers)))


def stages(model: keras.Model) -> list[Stage]:
    """The stages of a network that `AlexNet` built."""
    towers = cost.towers(model)
    columns: list[Stage] = []
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:])
        if isinstance(layer, keras.layers.InputLayer):
            columns.append(Stage("image", shape))
        elif isinstance(layer, keras.layers.Conv2D):
            columns.append(_convolution(layer, shape, towers, crosses=columns[-1].towers > layer.groups))
        elif isinstance(layer, keras.layers.Dense):
            columns.append(Stage(layer.name, shape, towers, crosses=columns[-1].towers > 1))
        else:
            columns[-1].notes.extend(_notes(layer))
    # The classes are one output, even of a network with towers.
    if not columns[-1].kernel:
        columns[-1].towers = 1
    return columns


def _convolution(layer: Any, shape: tuple[int, ...], towers: int, crosses: bool) -> Stage:
    kernel = tuple(layer.kernel.shape[:3])
    return Stage(layer.name, shape, towers, kernel, layer.strides[0], kernel[0] / layer.input.shape[1], crosses)


def _notes(layer: keras.layers.Layer) -> list[str]:
    """What a layer without a column of its own does, as lines of text; none if it changes neither size nor scale."""
    if isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D):
        kind = "max" if isinstance(layer, keras.layers.MaxPooling2D) else "mean"
        height, width = layer.output.shape[1:3]
        return [f"{kind} pool {layer.pool_size[0]}/{layer.strides[0]}", f"→ {height}×{width}"]
    if isinstance(layer, keras.layers.Dropout):
        return [f"dropout {layer.rate:g}"] if layer.rate else []
    names = {
        LocalResponseNormalization: "LRN",
        SpatialNormalization: "spatial norm",
        keras.layers.BatchNormalization: "batch norm",
    }
    return [names[type(layer)]] if type(layer) in names else []
