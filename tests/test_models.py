"""Layers against float64 NumPy, and networks against the paper's table."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.cost import check_input_size, minimum_input_size, stages
from alexnet_tf.models.layers import (
    CeilPadding2D,
    GroupedConv2D,
    LocalResponseNormalization,
    SpatialNormalization,
)
from alexnet_tf.models.lowering import lowered
from alexnet_tf.models.presets import LENET5, PRESETS, get_preset


def _normal(*shape, scale=1.0):
    return (np.random.default_rng(0).normal(size=shape) * scale).astype(np.float32)


def test_grouped_convolution_is_two_convolutions_in_both_lowerings():
    layer = GroupedConv2D(6, 3, padding="same", groups=2)
    inputs = _normal(2, 7, 8, 4)
    split = layer(inputs).numpy()
    kernel = layer.kernel.numpy()
    towers = [tf.nn.conv2d(inputs[..., 2 * g : 2 * g + 2], kernel[..., 3 * g : 3 * g + 3], 1, "SAME") for g in (0, 1)]
    np.testing.assert_allclose(split, np.concatenate(towers, -1), rtol=1e-5, atol=1e-6)
    stock = keras.layers.Conv2D(6, 3, padding="same", groups=2)
    stock.build(inputs.shape)
    stock.set_weights(layer.get_weights())
    np.testing.assert_allclose(split, stock(inputs).numpy(), rtol=1e-4, atol=1e-5)
    model = keras.Sequential([keras.Input((7, 8, 4)), layer])
    with lowered(model, GroupedConv2D="grouped"):
        np.testing.assert_allclose(layer(inputs).numpy(), split, rtol=1e-4, atol=1e-5)
    assert layer.lowering == "split"


def _lrn(a, radius, bias, alpha, beta):
    """Section 3.3 in float64, channel by channel."""
    a = a.astype(np.float64)
    b = np.empty_like(a)
    for i in range(a.shape[-1]):
        near = a[..., max(0, i - radius) : i + radius + 1]
        b[..., i] = a[..., i] / (bias + alpha * (near**2).sum(-1)) ** beta
    return b


@pytest.mark.parametrize("lowering", LocalResponseNormalization.lowerings)
@pytest.mark.parametrize("groups", [1, 2])
def test_lrn(groups, lowering):
    inputs = _normal(2, 3, 5, 12, scale=100)
    expected = np.concatenate([_lrn(part, 2, 2.0, 1e-4, 0.75) for part in np.split(inputs, groups, -1)], -1)
    actual = LocalResponseNormalization(2, 2.0, 1e-4, 0.75, groups, lowering=lowering)(inputs)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("lowering", LocalResponseNormalization.lowerings)
def test_lrn_with_other_constants(lowering):
    inputs = _normal(1, 2, 2, 9, scale=10)
    actual = LocalResponseNormalization(3, 1.0, 0.01, 0.6, lowering=lowering)(inputs)
    np.testing.assert_allclose(actual, _lrn(inputs, 3, 1.0, 0.01, 0.6), rtol=1e-5)


@pytest.mark.parametrize("lowering", LocalResponseNormalization.lowerings)
def test_lrn_in_half_precision_survives_large_activations(lowering):
    inputs = np.full((1, 2, 2, 8), 300, np.float16)
    actual = LocalResponseNormalization(dtype="mixed_float16", lowering=lowering)(inputs)
    assert actual.dtype == tf.float16
    np.testing.assert_allclose(actual, _lrn(inputs, 2, 2.0, 1e-4, 0.75), rtol=2e-3)


def test_lowerings_are_chosen_by_class_and_saved():
    norm = LocalResponseNormalization(lowering="band")
    model = keras.Sequential([keras.Input((7, 8, 4)), GroupedConv2D(6, 3, groups=2), norm])
    with pytest.raises(KeyError), lowered(model, GroupedConv2D="grouped", LocalResponseNormalization="slices"):
        assert [layer.lowering for layer in model.layers] == ["grouped", "slices"]
        raise KeyError
    assert [layer.lowering for layer in model.layers] == ["split", "band"]
    assert LocalResponseNormalization.from_config(norm.get_config()).lowering == "band"
    with pytest.raises(UserError, match="lowering must be one of fused, slices, band, got 'split'"):
        LocalResponseNormalization(lowering="split")


@pytest.mark.parametrize("lowering", SpatialNormalization.lowerings)
def test_spatial_normalization_clips_its_window(lowering):
    inputs = _normal(1, 6, 7, 2, scale=50)
    a = inputs.astype(np.float64)
    expected = np.empty_like(a)
    for y, x, c in itertools.product(range(6), range(7), range(2)):
        window = a[0, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3, c]
        expected[0, y, x, c] = a[0, y, x, c] * (1 + 0.001 / 25 * (window**2).sum()) ** -0.75
    np.testing.assert_allclose(SpatialNormalization(lowering=lowering)(inputs), expected, rtol=1e-5)


def test_ceil_padding_of_a_maximum_is_ignored():
    inputs = -np.ones((1, 3, 5, 1), np.float32)
    padded = CeilPadding2D(4, 3, "lowest")(inputs)
    assert padded.shape == (1, 4, 7, 1)
    assert tf.nn.max_pool2d(padded, 2, 2, "VALID")[0, 1, 2, 0] == -1
    assert tf.reduce_sum(CeilPadding2D(4, 3)(inputs)) == -15


TABLE = {
    "conv1": ((55, 55, 96), 34_944), "pool1": ((27, 27, 96), 0), "conv2": ((27, 27, 256), 307_456),
    "pool2": ((13, 13, 256), 0), "conv3": ((13, 13, 384), 885_120), "conv4": ((13, 13, 384), 663_936),
    "conv5": ((13, 13, 256), 442_624), "pool5": ((6, 6, 256), 0), "fc6": ((4096,), 37_752_832),
    "fc7": ((4096,), 16_781_312), "fc8": ((1000,), 4_097_000),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "preset, side, weights", [("paper", 227, 60_965_224), ("original", 224, 60_965_224), ("one_tower", 227, 62_378_344)]
)
def test_full_size(preset, side, weights):
    model = AlexNet(preset)
    assert model.input_shape == (None, side, side, 3)
    assert model.count_params() == weights
    for name, (shape, count) in TABLE.items():
        layer = model.get_layer(name)
        assert layer.output.shape[1:] == shape, name
        if preset != "one_tower":
            assert layer.count_params() == count, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "preset, side, weights",
    [
        ("caffe", 227, 60_965_224), ("caffenet", 227, 60_965_224), ("torchvision", 224, 61_100_840),
        ("bn", 227, 60_965_224 + 2 * (96 + 256 + 384 + 384 + 256)),
    ],
)  # fmt: skip
def test_published_presets_at_full_size(preset, side, weights):
    model = AlexNet(preset)
    assert model.input_shape == (None, side, side, 3)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == weights
    for name, (shape, _) in TABLE.items():
        actual = model.get_layer(name).output.shape[1:]
        assert actual[:-1] == shape[:-1] and (actual == shape or preset == "torchvision"), name


def test_one_column_is_half_of_the_original():
    model = AlexNet("one_column")
    assert [model.get_layer(f"conv{n}").filters for n in range(1, 6)] == [48, 128, 192, 192, 256]
    assert model.get_layer("pool5").output.shape[1:] == (6, 6, 256)


def test_layer_order_of_the_original():
    names = [layer.name for layer in AlexNet(get_preset("original").widened(1 / 16), classes=10).layers]
    assert names[1:6] == ["pad1", "conv1", "norm1", "pool1", "relu1"]
    assert names[6:11] == ["conv2", "relu2", "norm2", "cnorm2", "pool2"]


def test_initialization_and_dropout_factor():
    model = AlexNet(get_preset("original").widened(0.25), input_shape=(67, 67, 3), classes=10)
    for name, std, bias in (("conv1", 0.01, 0), ("conv3", 0.03, 0), ("conv4", 0.03, 1), ("fc6", 0.01, 1)):
        layer = model.get_layer(name)
        assert np.std(layer.kernel) == pytest.approx(std, rel=0.05)
        assert set(layer.bias.numpy()) == {bias}
    drop, factor = model.get_layer("drop6"), model.get_layer("factor6")
    ones = tf.ones([1, 1000])
    assert set(np.unique(factor(drop(ones, training=True)))) == {0.0, 1.0}
    assert set(np.unique(factor(drop(ones, training=False)))) == {0.5}


def test_keras_file_round_trip(tmp_path):
    model = AlexNet(get_preset("original").widened(1 / 16), input_shape=(68, 68, 3), classes=4)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = _normal(2, 68, 68, 3, scale=50)
    np.testing.assert_allclose(again(inputs), model(inputs), rtol=1e-6)


def test_without_top_and_lenet():
    assert AlexNet("paper", include_top=False).output_shape == (None, 6, 6, 256)
    assert AlexNet(LENET5, classes=10).count_params() == 61_706


@pytest.mark.slow
@pytest.mark.parametrize("preset", [*PRESETS.values(), LENET5], ids=lambda preset: preset.name)
def test_counts_are_those_of_the_built_network(preset):
    model = AlexNet(preset, classes=preset.classifier.units)
    counted = stages(preset)
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert [stage.name for stage in counted] == [layer.name for layer in layers]
    for stage, layer in zip(counted, layers, strict=True):
        assert stage.output_shape == layer.output.shape[1:]
        assert stage.multiply_adds == np.prod(layer.output.shape[1:-1]) * np.prod(layer.kernel.shape)
    trainable = sum(np.prod(variable.shape) for variable in model.trainable_variables)
    assert sum(stage.parameters for stage in counted) == trainable


@pytest.mark.parametrize("preset", [*PRESETS.values(), LENET5], ids=lambda preset: preset.name)
def test_the_smallest_input_is_the_smallest_that_keras_takes(preset):
    side = minimum_input_size(preset)
    features = AlexNet(preset, include_top=False, input_shape=(side, side, preset.channels)).output_shape
    assert min(features[1:]) == 1
    check_input_size(preset, side, side + 1)
    with pytest.raises(
        UserError, match=f"image_size must be at least {side} for preset {preset.name!r}, got {side - 1}"
    ):
        check_input_size(preset, side - 1, side - 1)


@pytest.mark.parametrize("preset", ["paper", "original", "bn"])
def test_any_input_size_without_the_top(preset):
    free = AlexNet(preset, include_top=False, input_shape=(None, None, 3))
    fixed = AlexNet(preset, include_top=False, input_shape=(96, 70, 3))
    fixed.set_weights(free.get_weights())
    inputs = _normal(1, 96, 70, 3, scale=50)
    np.testing.assert_array_equal(free(inputs), fixed(inputs))
    assert free.output_shape == (None, None, None, 256)


def test_pooling_input_tensor_and_name(tmp_path):
    source = AlexNet("paper", include_top=False)
    source.save_weights(tmp_path / "net.weights.h5")
    image = keras.Input((80, 90, 1))
    rgb = keras.layers.Conv2D(3, 1, name="to_rgb")(image)
    model = AlexNet(
        include_top=False, pooling="avg", input_tensor=rgb, weights=tmp_path / "net.weights.h5", name="features"
    )
    assert (model.name, model.input_shape, model.output_shape) == ("features", (None, 80, 90, 1), (None, 256))
    np.testing.assert_array_equal(model.get_layer("conv5").kernel, source.get_layer("conv5").kernel)
    maps = keras.Model(model.input, model.get_layer("pool5").output)
    inputs = _normal(2, 80, 90, 1, scale=50)
    np.testing.assert_allclose(model(inputs), np.mean(maps(inputs), (1, 2)), rtol=1e-5)
    highest = AlexNet(include_top=False, pooling="max", input_tensor=rgb, weights=tmp_path / "net.weights.h5")
    highest.get_layer("conv1")  # Layers of their own, with the same names.
    assert highest.output_shape == (None, 256)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"preset": "vgg"}, "preset must be one of bn, .*torchvision, or a Preset, got 'vgg'"),
        ({"classes": 0}, "classes"),
        ({"classes": "10"}, "classes must be an integer of at least 1, got '10'"),
        (
            {"input_shape": (20, 66, 3)},
            r"input_shape must be at least 67 by 67 pixels for preset 'paper', got \(20, 66",
        ),
        ({"input_shape": 227}, r"input_shape must be \(height, width, channels\), got 227"),
        ({"input_shape": (None, None, 3)}, "input_shape must have known height, width"),
        ({"input_shape": (224, 224, 1), "preset": "torchvision"}, "input_shape must have 3 channels, got 1"),
        ({"pooling": "mean"}, "pooling must be None, 'avg' or 'max', got 'mean'"),
        ({"classifier_activation": "best"}, "classifier_activation must be"),
        ({"input_tensor": "image"}, "input_tensor must be a Keras tensor"),
        ({"weights": "imagenet"}, "weights"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AlexNet(**arguments)


def test_width_must_fit_the_towers():
    with pytest.raises(ValueError, match="width must give conv2 a whole number of filters"):
        get_preset("paper").widened(1 / 96)
