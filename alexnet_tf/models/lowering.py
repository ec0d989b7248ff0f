"""Lowerings: the operations that a layer becomes.

Each runtime is fast at others. The variables and the results of a layer are the same in every lowering.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import tensorflow as tf

from alexnet_tf.errors import UserError


class Lowerable(keras.layers.Layer):
    """A layer with several lowerings.

    Attributes:
        lowerings: their names; the first one is for training, and the default.
        lowering: the one in use.

    Args:
        lowering: one of `lowerings`.
        *args, **kwargs: of the next base class.

    Raises:
        UserError: if there is no such lowering.
    """

    lowerings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, lowering: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lowering = self.lowerings[0] if lowering is None else lowering
        if self.lowering not in self.lowerings:
            raise UserError(f"lowering must be one of {', '.join(self.lowerings)}, got {lowering!r}")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "lowering": self.lowering}


@contextlib.contextmanager
def lowered(model: keras.Model, **lowerings: str) -> Iterator[keras.Model]:
    """Within the context, functions traced from `model` use these lowerings.

    Args:
        model: the network.
        **lowerings: by the class of the layers, e.g. `GroupedConv2D="grouped"`.
    """
    layers = [layer for layer in model.layers if type(layer).__name__ in lowerings]
    before = [layer.lowering for layer in layers]
    try:
        for layer in layers:
            layer.lowering = lowerings[type(layer).__name__]
        yield model
    finally:
        for layer, lowering in zip(layers, before, strict=True):
            layer.lowering = lowering


def inverse_power(values: tf.Tensor, exponent: float) -> tf.Tensor:
    """`values ** -exponent`; for 0.75 by square roots, which every runtime vectorizes, unlike powers."""
    if exponent != 0.75:
        return values**-exponent
    root = tf.math.rsqrt(values)
    return root * tf.sqrt(root)
