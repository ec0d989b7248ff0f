"""What a network costs, counted from its preset: output shapes, parameters, multiply-adds and the smallest input."""

import dataclasses
import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from alexnet_tf.errors import UserError
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.specs import Flatten, LayerSpec, Shape, WeightedSpec

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Stage:
    """A convolution or dense layer.

    Attributes:
        name: `conv1` … `fc8`.
        output_shape: of the layer itself, without the batch.
        parameters: kernel and biases, and those of a normalization that follows.
        multiply_adds: of one image's forward pass, without the biases.
    """

    name: str
    output_shape: Shape
    parameters: int
    multiply_adds: int


def stages(preset: Preset, size: int | None = None, classes: int | None = None) -> list[Stage]:
    """The convolutions and dense layers of a preset.

    Args:
        preset: the network.
        size: height and width of the input; the preset's if not given.
        classes: number of outputs; the preset's if not given.
    """
    stages: list[Stage] = []
    size = preset.input_size if size is None else size
    classifier = dataclasses.replace(preset.classifier, units=preset.classifier.units if classes is None else classes)
    shape: Shape = (size, size, preset.channels)
    for spec in (*preset.layers[:-1], classifier):
        parameters, output = spec.parameters(shape), spec.output_shape(shape)
        if isinstance(spec, WeightedSpec):
            multiply_adds = math.prod(output[:-1]) * math.prod(spec.kernel_shape(shape))
            stages.append(Stage(spec.name, output, parameters, multiply_adds))
        elif parameters:
            stages[-1] = dataclasses.replace(stages[-1], parameters=stages[-1].parameters + parameters)
        shape = output
    return stages


def minimum_input_size(preset: str | Preset) -> int:
    """The smallest height and width in pixels for which every layer of a preset has an output."""
    preset = get_preset(preset)
    maps = list(itertools.takewhile(lambda spec: not isinstance(spec, Flatten), preset.layers))
    return next(side for side in itertools.count(1) if _has_outputs(maps, (side, side, preset.channels)))


def _has_outputs(specs: Iterable[LayerSpec], shape: Shape) -> bool:
    for spec in specs:
        shape = spec.output_shape(shape)
        if min(shape) < 1:
            return False
    return True


def check_input_size(preset: str | Preset, height: int, width: int) -> None:
    """Checks the size of a preset's input before anything is built.

    Raises:
        UserError: if either side, in pixels, is too small.
    """
    preset = get_preset(preset)
    smallest = minimum_input_size(preset)
    if min(height, width) < smallest:
        size = f"{height}" if height == width else f"{height} by {width}"
        raise UserError(f"image_size must be at least {smallest} for preset {preset.name!r}, got {size}")


def towers(model: "keras.Model") -> int:
    """The number of towers of a network: the most groups of any of its convolutions."""
    return max(
        (layer.groups for layer in model.layers if hasattr(layer, "groups") and hasattr(layer, "kernel")), default=1
    )
