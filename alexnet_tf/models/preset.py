"""A network with its preprocessing, as data."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from alexnet_tf.errors import UserError
from alexnet_tf.models import specs


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How a photograph becomes an input: resize the shorter side, crop to the input size, subtract the mean.

    Attributes:
        resize: pixels of the shorter side before cropping, for the preset's own input size.
        mean: `"image"` (central crop of the training set's per-pixel mean), `"pixel"` (the training set's mean color),
            or a fixed color as (red, green, blue). Pixels are always from 0 to 255; a network that needs another scale
            begins with a `Scale` layer.
    """

    resize: int = 256
    mean: str | tuple[float, ...] = "image"


@dataclasses.dataclass(frozen=True)
class Preset:
    """A complete network: layers with their constants and initialization, input and preprocessing.

    Attributes:
        name: the value of `AlexNet(preset=...)`.
        summary: one line for the table of presets.
        input_size: height and width of the input in pixels.
        layers: layer specifications (`alexnet_tf.models.specs`) from the image to the logits. The last one is the
            classifier; its number of units is replaced by the number of classes.
        channels: color channels of the input.
        preprocessing: from a photograph to an input.
    """

    name: str
    summary: str
    input_size: int
    layers: tuple[specs.LayerSpec, ...]
    channels: int = 3
    preprocessing: Preprocessing = Preprocessing()

    @property
    def classifier(self) -> specs.Dense:
        """The last layer, which computes the logits."""
        classifier = self.layers[-1]
        if not isinstance(classifier, specs.Dense):
            raise TypeError(f"the last layer of a preset must be Dense, got {classifier!r}")
        return classifier

    @property
    def head(self) -> str:
        """Name of the layer that computes the logits, e.g. `fc8`."""
        return self.classifier.name

    def widened(self, factor: float) -> "Preset":
        """A copy with the width of every hidden layer multiplied by `factor`.

        Raises:
            UserError: if a width is not a whole number, or not a multiple of its layer's groups.
        """
        if factor == 1:
            return self
        *hidden, classifier = self.layers
        return dataclasses.replace(self, layers=(*(specs.widened(layer, factor) for layer in hidden), classifier))

    def with_dense_ranks(self, ranks: Mapping[str, int]) -> "Preset":
        """A copy in which dense layers are products of low rank.

        `fc6` of rank 256 becomes `bottleneck6`, which has 256 units and no biases, followed by `fc6`.

        Args:
            ranks: {name of a dense layer: rank}.

        Raises:
            UserError: if there is no such dense layer.
        """
        dense = [layer.name for layer in self.layers if isinstance(layer, specs.Dense)]
        if not set(ranks) <= set(dense):
            raise UserError(f"dense_ranks must name some of {', '.join(dense)}, got {', '.join(ranks)}")

        def layers() -> Iterator[specs.LayerSpec]:
            for layer in self.layers:
                if isinstance(layer, specs.Dense) and layer.name in ranks:
                    name = f"bottleneck{layer.name[-1]}"
                    yield dataclasses.replace(layer, name=name, units=ranks[layer.name], use_bias=False)
                yield layer

        return dataclasses.replace(self, layers=tuple(layers()))

    def without(self, *types: str) -> "Preset":
        """A copy without the layers of these types, e.g. `without("LRN")`."""
        layers = tuple(layer for layer in self.layers if type(layer).__name__ not in types)
        return dataclasses.replace(self, layers=layers)

    def changed(self, **by_type: dict[str, Any]) -> "Preset":
        """A copy with fields replaced in all layers of a type, e.g. `changed(Dropout={"rate": 0.0})`."""
        layers = tuple(dataclasses.replace(layer, **by_type.get(type(layer).__name__, {})) for layer in self.layers)
        return dataclasses.replace(self, layers=layers)
