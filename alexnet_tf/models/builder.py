"""From a preset to a functional Keras model."""

import dataclasses

import keras

from alexnet_tf.models.presets import get_preset
from alexnet_tf.models.pretrained.load import load_weights
from alexnet_tf.models.specs import Flatten


def AlexNet(  # noqa: N802 - a constructor by convention, as in keras.applications
    preset="paper",
    include_top=True,
    weights=None,
    input_shape=None,
    classes=1000,
    classifier_activation="softmax",
):
    """Builds an AlexNet as a functional `keras.Model`.

    The input is float32 RGB of shape (batch, height, width, 3), pixels on the scale 0 to 255 minus the mean of the
    training set. Layers are named `conv1` … `conv5`, `fc6` … `fc8`, and `relu1`, `norm1`, `pool1`, `drop6` … after
    the weighted layer before them. The logits are the output of `fc8`.

    Args:
        preset: name of a preset (see `alexnet_tf.PRESETS`) or a `Preset` of your own.
        include_top: whether the dense layers are built. Without them the output is the last pooled feature map,
            (batch, 6, 6, 256) at full size.
        weights: None for fresh weights; `"imagenet"` for the published ones of `caffe`, `caffenet` and
            `torchvision`; or the path of a `.caffemodel`, `.pth` or `.weights.h5` file, or of a finished run's
            workdir. Layers that do not fit (other classes, no top) start fresh, with a warning that names them.
        input_shape: (height, width, channels); None for the preset's own size.
        classes: number of outputs; used with `include_top` only.
        classifier_activation: activation after `fc8`, computed in float32; None for logits.

    Returns:
        A `keras.Model` with output (batch, classes), float32, or the feature map in the compute dtype.

    Raises:
        ValueError: on an unknown preset, an input too small for the network, or weights that are not there or do
            not fit.

    Reference: sections 3 and 5 of the paper; `docs/fidelity.md` for what differs between presets.
    """
    preset = get_preset(preset)
    if classes < 1:
        raise ValueError(f"classes must be at least 1. Received: classes={classes}")
    shape = tuple(input_shape or (preset.input_size, preset.input_size, preset.channels))
    if len(shape) != 3 or None in shape:
        raise ValueError(f"input_shape must be (height, width, channels), all known. Received: input_shape={shape}")
    specs = _with_classes(preset.layers, classes) if include_top else _without_top(preset.layers)
    inputs = keras.Input(shape, name="image")
    outputs = _apply(specs, inputs, preset.name)
    if include_top and classifier_activation:
        softmax = keras.layers.Activation(classifier_activation, dtype="float32", name="probabilities")
        outputs = softmax(outputs)
    model = keras.Model(inputs, outputs, name=f"alexnet_{preset.name}")
    if weights is not None:
        load_weights(model, weights, preset.name)
    return model


def _with_classes(specs, classes):
    *hidden, classifier = specs
    # In float32 under every policy: logits of a thousand classes lie closer together than half precision can tell.
    return (*hidden, dataclasses.replace(classifier, units=classes, dtype="float32"))


def _without_top(specs):
    return specs[: specs.index(Flatten())]


def _apply(specs, outputs, preset_name):
    """Applies the layers of each specification in turn, naming them after the last weighted layer."""
    number = ""
    for spec in specs:
        weighted_name = getattr(spec, "name", None)
        number = weighted_name[-1] if weighted_name else number
        for layer in spec.layers(outputs.shape[1:], lambda kind, number=number: f"{kind}{number}"):
            try:
                outputs = layer(outputs)
            except ValueError as error:
                raise ValueError(
                    f"input_shape does not fit preset {preset_name!r} at layer {layer.name}: {error}"
                ) from error
            if 0 in outputs.shape[1:]:
                raise ValueError(
                    f"input_shape is too small for preset {preset_name!r}: nothing is left after {layer.name}. "
                    "Allowed: 67 pixels and more"
                )
    return outputs
