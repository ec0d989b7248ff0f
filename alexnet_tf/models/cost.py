"""What a network costs: output shapes, weights and multiply-adds, counted on the built model."""

import dataclasses
import math

from alexnet_tf.models.builder import AlexNet


@dataclasses.dataclass(frozen=True)
class Stage:
    """A weighted layer.

    Attributes:
        name: `conv1` … `fc8`.
        output_shape: without the batch; what follows up to the next weighted layer is not counted in.
        weights: kernel and biases, and those of a normalization that follows.
        multiply_adds: of one image's forward pass, biases left out.
    """

    name: str
    output_shape: tuple
    weights: int
    multiply_adds: int


def stages(preset):
    """The weighted layers of a `Preset` at its own input size, as a list of `Stage`."""
    model = AlexNet(preset, classes=preset.layers[-1].units)
    found = []
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            shape = tuple(layer.output.shape[1:])
            multiply_adds = math.prod(shape[:-1]) * math.prod(layer.kernel.shape)
            found.append(Stage(layer.name, shape, layer.count_params(), multiply_adds))
        elif layer.trainable_weights:  # A normalization's belong to the layer before it.
            own = sum(math.prod(variable.shape) for variable in layer.trainable_weights)
            found[-1] = dataclasses.replace(found[-1], weights=found[-1].weights + own)
    return found


def towers(model):
    """The number of towers that a network's channels are divided into: the most groups of any convolution."""
    return max(
        (layer.groups for layer in model.layers if hasattr(layer, "groups") and hasattr(layer, "kernel")), default=1
    )
