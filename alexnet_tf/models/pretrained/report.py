"""What became of each layer when weights were loaded."""

import dataclasses
from collections.abc import Collection, Mapping

import keras

from alexnet_tf.models.pretrained.weight_file import Array, WeightFile

LOADED = "loaded"
REINITIALIZED = "reinitialized"
LEFT = "left as it was"


@dataclasses.dataclass(frozen=True)
class LayerReport:
    """One layer.

    Attributes:
        layer: its name.
        shape: of its kernel in Keras' layout.
        outcome: `LOADED`, `REINITIALIZED` or `LEFT`.
        details: how the file's arrays were turned, or why the layer was reinitialized; may be empty.
    """

    layer: str
    shape: tuple[int, ...]
    outcome: str
    details: str = ""

    def __str__(self) -> str:
        details = f": {self.details}" if self.details else ""
        return f"{self.layer + ' ':<6}{_sides(self.shape):<16} {self.outcome}{details}"


def layer_reports(
    model: keras.Model, weights: WeightFile, reasons: Mapping[str, str], fresh: Collection[str] = ()
) -> list[LayerReport]:
    """Reports on every layer with weights, in the model's order.

    Args:
        model: that `fit` assigned the weights to.
        weights: what was read.
        reasons: what `fit` returned, from the layers that it left unchanged to the reason.
        fresh: names of the layers that `fit` was told to leave unchanged.
    """
    reports: list[LayerReport] = []
    after_flatten = False
    for layer in model.layers:
        if isinstance(layer, keras.layers.Flatten):
            after_flatten = True
        if not layer.weights:
            continue
        shape = tuple(layer.weights[0].shape)
        if layer.name in fresh:
            outcome, details = LEFT, ""
        elif layer.name in reasons:
            outcome = REINITIALIZED
            details = _misfit(reasons[layer.name], weights.layers.get(layer.name, []))
        else:
            outcome, details = LOADED, _turns(weights, shape, first=not reports, after_flatten=after_flatten)
        reports.append(LayerReport(layer.name, shape, outcome, details))
        after_flatten = after_flatten and len(shape) != 2
    return reports


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _misfit(reason: str, arrays: list[Array]) -> str:
    return f"{reason}, the file has {_sides(arrays[0].shape)}" if arrays else reason


def _turns(weights: WeightFile, shape: tuple[int, ...], first: bool, after_flatten: bool) -> str:
    """What was done to the arrays of a layer that was loaded."""
    turns = []
    if weights.channels_first and len(shape) > 1:
        turns.append("transposed")
    if weights.channels_first and len(shape) == 2 and after_flatten:
        turns.append("inputs reordered to channels last")
    if weights.bgr and first:
        turns.append("BGR reordered to RGB")
    return ", ".join(turns)
