"""From a preset to a functional Keras model."""

import dataclasses
import itertools
import os
from collections.abc import Iterable
from typing import Any

import keras

from alexnet_tf.errors import UserError
from alexnet_tf.models.cost import minimum_input_size
from alexnet_tf.models.keras_layers import make_layers
from alexnet_tf.models.preset import Preset
from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.load import load_weights
from alexnet_tf.models.specs import Flatten, LayerSpec, WeightedSpec

_POOLINGS: dict[str | None, Any] = {
    None: None,
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
}


def AlexNet(  # noqa: N802 - a constructor by convention, as in keras.applications
    preset: str | Preset = "paper",
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Builds an AlexNet as a functional `keras.Model`.

    The input is float32 RGB of shape (batch, height, width, 3): pixels from 0 to 255 minus the mean of the training
    set. Layers are named `conv1` … `conv5`, `fc6` … `fc8`, and `relu1`, `norm1`, `pool1`, `drop6` … with the number of
    the convolution or dense layer before them. The logits are the output of `fc8`.

    Args:
        preset: name of a preset (see `alexnet_tf.PRESETS`), or a `Preset`.
        include_top: whether to build the dense layers. Without them the output is the last pooled feature map, (batch,
            6, 6, 256) at the preset's own input size, or what `pooling` makes of it.
        weights: None for random initialization; `"imagenet"` for the published weights of `caffe`, `caffenet` and
            `torchvision`; `"cifar10"` for those of `four_layers` that come with the package; or the path, `https://` or
            `hf://` address of a weight file (`.caffemodel`, `.npy`, `.onnx`, `.pth`, `.safetensors` or `.weights.h5`),
            or the workdir of a finished run. Layers that do not fit keep their random initialization, with a warning
            that names them.
        input_tensor: Keras tensor to use as the input image, e.g. the output of `keras.Input` or of other layers.
        input_shape: (height, width, channels); None for the preset's own size. Height and width may be None without
            the top.
        pooling: without the top: None for the feature map, `"avg"` or `"max"` for its global average or maximum,
            (batch, channels).
        classes: number of outputs of the top; by default the preset's: 10 for `four_layers`, 1000 for all others.
        classifier_activation: activation after `fc8`, computed in float32; None for logits.
        name: of the model; `alexnet_<preset>` if not given.

    Returns:
        A `keras.Model` with output (batch, classes), float32, or with features in the compute dtype.

    Raises:
        UserError: for an invalid argument, an input too small for the network, or weights that cannot be read or are
            another network's.

    Reference: sections 3 and 5 of the paper; `docs/fidelity.md` for the differences between presets.
    """
    preset = get_preset(preset)
    classes = preset.classifier.units if classes is None else classes
    _check_arguments(classes, classifier_activation, pooling)
    inputs = _inputs(preset, input_tensor, input_shape)
    _check_size(preset, inputs.shape[1:], include_top)
    outputs = _apply(_with_classes(preset, classes) if include_top else _without_top(preset), inputs)
    if include_top and classifier_activation:
        outputs = keras.layers.Activation(classifier_activation, dtype="float32", name="probabilities")(outputs)
    if not include_top and pooling:
        outputs = _POOLINGS[pooling](name="global_pool")(outputs)
    sources = inputs if input_tensor is None else keras.utils.get_source_inputs(input_tensor)
    model = keras.Model(sources, outputs, name=name or f"alexnet_{preset.name}")
    if weights is not None:
        # Of the layers from the image on: what `input_tensor` comes from has weights of its own.
        load_weights(model if input_tensor is None else keras.Model(inputs, outputs), weights, preset.name)
    return model


def _check_arguments(classes: int, classifier_activation: str | None, pooling: str | None) -> None:
    if not isinstance(classes, int) or classes < 1:
        raise UserError(f"classes must be an integer of at least 1, got {classes!r}")
    if pooling not in _POOLINGS:
        raise UserError(f"pooling must be None, 'avg' or 'max', got {pooling!r}")
    try:
        keras.activations.get(classifier_activation)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"classifier_activation must be None or the name of a Keras activation, got {classifier_activation!r}"
        ) from error


def _inputs(preset: Preset, tensor: Any, shape: Any) -> keras.KerasTensor:
    if tensor is not None:
        if not isinstance(tensor, keras.KerasTensor) or len(tensor.shape) != 4:
            raise UserError(f"input_tensor must be a Keras tensor (batch, height, width, channels), got {tensor!r}")
        if shape is not None and tuple(shape) != tensor.shape[1:]:
            raise UserError(f"input_shape must be that of input_tensor, {tensor.shape[1:]}, got {shape}")
        return tensor
    if shape is None:
        shape = (preset.input_size, preset.input_size, preset.channels)
    if not isinstance(shape, (tuple, list)) or len(shape) != 3 or not all(_is_size(size) for size in shape):
        raise UserError(f"input_shape must be (height, width, channels), got {shape!r}")
    return keras.Input(tuple(shape), name="image")


def _is_size(size: Any) -> bool:
    return size is None or (isinstance(size, int) and size > 0)


def _check_size(preset: Preset, shape: tuple[Any, ...], include_top: bool) -> None:
    *sides, channels = shape
    if channels is None or (include_top and None in sides):
        known = "height, width and channels with include_top=True" if include_top else "channels"
        raise UserError(f"input_shape must have known {known}, got {shape}")
    smallest = minimum_input_size(preset)
    if any(side is not None and side < smallest for side in sides):
        raise UserError(
            f"input_shape must be at least {smallest} by {smallest} pixels for preset {preset.name!r}, got {shape}"
        )


def _with_classes(preset: Preset, classes: int) -> tuple[LayerSpec, ...]:
    # The logits are float32 under every policy: in half precision, those of a thousand classes have many ties.
    return (*preset.layers[:-1], dataclasses.replace(preset.classifier, units=classes, dtype="float32"))


def _without_top(preset: Preset) -> Iterable[LayerSpec]:
    return itertools.takewhile(lambda spec: not isinstance(spec, Flatten), preset.layers)


def _apply(specs: Iterable[LayerSpec], outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Applies the layers of each specification in turn, numbered like the last convolution or dense layer."""
    number = ""
    for spec in specs:
        if isinstance(spec, WeightedSpec):
            number = spec.name[-1]
        for layer in make_layers(spec, outputs.shape[1:], number):
            try:
                outputs = layer(outputs)
            except ValueError as error:
                raise UserError(f"input_shape does not fit layer {layer.name!r}: {error}") from error
    return outputs
