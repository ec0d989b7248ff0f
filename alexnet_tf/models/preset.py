"""What a preset is: a network with its preprocessing, as data."""

import dataclasses

from alexnet_tf.models import specs


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How a photograph becomes an input: the shorter side to `resize`, a crop of the input size, minus the mean.

    Attributes:
        resize: pixels of the shorter side before cropping, for the preset's own input size.
        mean: `"image"` (the per-pixel mean image of the training set, of which the central crop is
            subtracted), `"pixel"` (its mean color), or a fixed color as (red, green, blue). Always of pixels
            on the scale 0 to 255; a network that wants another scale begins with a `Scale` layer.
    """

    resize: int = 256
    mean: str | tuple = "image"


@dataclasses.dataclass(frozen=True)
class Preset:
    """One network, completely: layers with their constants and initialization, input and preprocessing.

    Attributes:
        name: what `AlexNet(preset=...)` takes.
        summary: one line for the table of presets.
        input_size: height and width of the input in pixels.
        layers: layer specifications (`alexnet_tf.models.specs`) from the image to the logits. The last one is
            the classifier; its number of units is replaced by the number of classes.
        channels: color channels of the input.
        preprocessing: from a photograph to an input.
    """

    name: str
    summary: str
    input_size: int
    layers: tuple
    channels: int = 3
    preprocessing: Preprocessing = Preprocessing()

    @property
    def head(self):
        """Name of the layer that gives the logits, e.g. `fc8`."""
        return self.layers[-1].name

    def widened(self, factor):
        """The same network with every hidden width multiplied by `factor`; `classes` stay.

        Raises:
            ValueError: if a width is not a whole number, or not a multiple of its layer's groups.
        """
        if factor == 1:
            return self
        *hidden, classifier = self.layers
        layers = tuple(specs.widened(layer, factor) for layer in hidden)
        return dataclasses.replace(self, layers=(*layers, classifier))

    def without(self, *types):
        """A copy that lacks all layers of these types, e.g. `without("LRN")`."""
        layers = tuple(layer for layer in self.layers if type(layer).__name__ not in types)
        return dataclasses.replace(self, layers=layers)

    def changed(self, **by_type):
        """A copy in which fields of all layers of a type are replaced, e.g. `changed(Dropout=dict(rate=0.0))`."""
        layers = tuple(dataclasses.replace(layer, **by_type.get(type(layer).__name__, {})) for layer in self.layers)
        return dataclasses.replace(self, layers=layers)
