"""Every AlexNet as data: a preset is a sequence of layer specifications.

A new variant is a new `Preset`, never a branch in the builder. Comments cite either a section of Krizhevsky, Sutskever
and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (NIPS 2012), or "the code": the 2012
source published by the Computer History Museum (`layers/layers-145.cfg`, `layers/layer-params-145.cfg`, `layer.py`,
`layer.cu`).
"""

import dataclasses
from typing import Any

from alexnet_tf.errors import UserError
from alexnet_tf.models.preset import Preprocessing, Preset
from alexnet_tf.models.published import BN, CAFFE, CAFFENET, TORCHVISION
from alexnet_tf.models.specs import (
    LRN,
    RELU,
    Activation,
    AveragePool,
    Conv,
    Dense,
    Dropout,
    Flatten,
    LayerSpec,
    MaxPool,
    SpatialNorm,
)

# Section 3.3. The paper does not divide alpha by n, and neither does TensorFlow's op.
PAPER_LRN = LRN(depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)
# The code divides alpha by n = 5 and normalizes each tower separately (48, then 128 channels).
CODE_LRN = LRN(depth_radius=2, bias=2.0, alpha=1e-4 / 5, beta=0.75, groups=2)

# Section 4.2: the paper and the code multiply by 0.5 at test time, where Keras scales in training. With this
# initialization, the network does not train with Keras' scaling.
PAPER_DROPOUT = Dropout(rate=0.5, factor=0.5)


def _paper_layers(groups: int) -> tuple[LayerSpec, ...]:
    """Section 3.5 and Figure 2, initialization of section 5. `groups` is the number of towers."""
    return (
        Conv("conv1", 96, 11, stride=4, padding="valid"), RELU, PAPER_LRN, MaxPool(),
        Conv("conv2", 256, 5, groups=groups, bias_init=1.0), RELU, PAPER_LRN, MaxPool(),
        Conv("conv3", 384, 3), RELU,
        Conv("conv4", 384, 3, groups=groups, bias_init=1.0), RELU,
        Conv("conv5", 256, 3, groups=groups, bias_init=1.0), RELU, MaxPool(),
        Flatten(),
        Dense("fc6", 4096, bias_init=1.0), RELU, PAPER_DROPOUT,
        Dense("fc7", 4096, bias_init=1.0), RELU, PAPER_DROPOUT,
        Dense("fc8", 1000),
    )  # fmt: skip


PAPER = Preset("paper", "the paper as printed: two towers, 227 pixels", 227, _paper_layers(groups=2))

ONE_TOWER = Preset("one_tower", "the paper's widths without the split", 227, _paper_layers(groups=1))


def _code_layers(groups: int, *widths: int) -> tuple[LayerSpec, ...]:
    """Net 145 and its half, with the filters of conv1 to conv5.

    Differences from the paper: output sides round up (`layer.py`), conv1's ReLU comes after pooling, a spatial
    normalization follows the second LRN, and conv3 to conv5 have three times the initial standard deviation.
    """
    conv1, conv2, conv3, conv4, conv5 = widths
    norm = dataclasses.replace(CODE_LRN, groups=groups)
    return (
        Conv("conv1", conv1, 11, stride=4, padding="ceil"), norm, MaxPool(padding="ceil"), RELU,
        Conv("conv2", conv2, 5, groups=groups, bias_init=1.0), RELU, norm, SpatialNorm(), MaxPool(padding="ceil"),
        Conv("conv3", conv3, 3, kernel_init=0.03), RELU,
        Conv("conv4", conv4, 3, groups=groups, kernel_init=0.03, bias_init=1.0), RELU,
        Conv("conv5", conv5, 3, groups=groups, kernel_init=0.03, bias_init=1.0), MaxPool(padding="ceil"), RELU,
        Flatten(),
        Dense("fc6", 4096, bias_init=1.0), RELU, PAPER_DROPOUT,
        Dense("fc7", 4096, bias_init=1.0), RELU, PAPER_DROPOUT,
        Dense("fc8", 1000),
    )  # fmt: skip


ORIGINAL = Preset(
    "original", "the code that ran in 2012 (net 145): 224 pixels", 224, _code_layers(2, 96, 256, 384, 384, 256)
)

ONE_COLUMN = Preset(
    "one_column", "half of net 145: one of its two columns, with all of conv5", 224,
    _code_layers(1, 48, 128, 192, 192, 256),
)  # fmt: skip

# The network for CIFAR-10 that the first author published (18 % test error), which has the four layers of the paper's
# Figure 1. Its three pools round up, which equals "same" at 32 pixels. It normalizes within each channel. The author's
# first ReLU follows the pooling; before it, as here, the maxima are the same.
_POOL: dict[str, Any] = {"size": 3, "stride": 2, "padding": "same"}
_NORM = SpatialNorm(size=3, alpha=5e-5, beta=0.75)

FOUR_LAYERS = Preset(
    "four_layers", "the small network for CIFAR-10 of Figure 1", 32,
    (
        Conv("conv1", 32, 5, kernel_init=0.0001), RELU, MaxPool(**_POOL), _NORM,
        Conv("conv2", 32, 5), RELU, AveragePool(**_POOL), _NORM,
        Conv("conv3", 64, 5), RELU, AveragePool(**_POOL),
        Flatten(),
        Dense("fc4", 10),
    ),
    preprocessing=Preprocessing(resize=32),
)  # fmt: skip

PRESETS = {
    preset.name: preset
    for preset in (PAPER, ORIGINAL, ONE_TOWER, ONE_COLUMN, CAFFE, CAFFENET, TORCHVISION, BN, FOUR_LAYERS)
}

# Only for comparison in tables. LeCun, Bottou, Bengio and Haffner (1998) in today's usual form: all of conv2's maps
# connected, plain average pooling, a dense classifier.
LENET5 = Preset(
    "lenet5", "LeNet-5 (1998), for comparison", 32,
    (
        Conv("conv1", 6, 5, padding="valid"), Activation("tanh"), AveragePool(),
        Conv("conv2", 16, 5, padding="valid"), Activation("tanh"), AveragePool(),
        Conv("conv3", 120, 5, padding="valid"), Activation("tanh"),
        Flatten(),
        Dense("fc4", 84), Activation("tanh"),
        Dense("fc5", 10),
    ),
    channels=1,
)  # fmt: skip


def get_preset(preset: str | Preset) -> Preset:
    """Returns the `Preset` of that name; a `Preset` is returned unchanged.

    Raises:
        UserError: if there is no preset of that name.
    """
    if isinstance(preset, Preset):
        return preset
    if not isinstance(preset, str) or preset not in PRESETS:
        raise UserError(f"preset must be one of {', '.join(sorted(PRESETS))}, or a Preset, got {preset!r}")
    return PRESETS[preset]
