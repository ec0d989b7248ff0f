"""Every AlexNet as data: a preset is a sequence of layer specifications that the builder only reads.

Adding a variant means adding a `Preset`, never a branch in the builder. Facts marked "code" come from the
2012 source published by the Computer History Museum (`layers/layers-145.cfg`, `layers/layer-params-145.cfg`,
`layer.py`, `layer.cu`), the others from the section given of Krizhevsky, Sutskever and Hinton, "ImageNet
Classification with Deep Convolutional Neural Networks" (NIPS 2012).
"""

import dataclasses

from alexnet_tf.models.preset import Preprocessing, Preset
from alexnet_tf.models.published import BN, CAFFE, CAFFENET, TORCHVISION
from alexnet_tf.models.specs import (
    LRN,
    Activation,
    AveragePool,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    SpatialNorm,
)

RELU = Activation("relu")

# Section 3.3. The paper does not divide alpha by n, and neither does TensorFlow's op.
PAPER_LRN = LRN(depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)
# The code divides alpha by n = 5 and keeps each tower's normalization to itself (48, then 128 channels).
CODE_LRN = LRN(depth_radius=2, bias=2.0, alpha=1e-4 / 5, beta=0.75, groups=2)

# Section 4.2: the paper (and its code) multiply by one half at test time and leave training unscaled. With this
# initialization the difference to Keras' scaling decides whether the network trains.
PAPER_DROPOUT = Dropout(rate=0.5, factor=0.5)


def _paper_layers(groups):
    """Section 3.5 and Figure 2; initialization of section 5. `groups` is the number of towers."""
    return (
        Conv("conv1", 96, 11, stride=4, padding="valid"), RELU, PAPER_LRN, MaxPool(),
        Conv("conv2", 256, 5, groups=groups, bias=1.0), RELU, PAPER_LRN, MaxPool(),
        Conv("conv3", 384, 3), RELU,
        Conv("conv4", 384, 3, groups=groups, bias=1.0), RELU,
        Conv("conv5", 256, 3, groups=groups, bias=1.0), RELU, MaxPool(),
        Flatten(),
        Dense("fc6", 4096, bias=1.0), RELU, PAPER_DROPOUT,
        Dense("fc7", 4096, bias=1.0), RELU, PAPER_DROPOUT,
        Dense("fc8", 1000),
    )  # fmt: skip


PAPER = Preset("paper", "the paper as printed: two towers, 227 pixels", 227, _paper_layers(groups=2))

ONE_TOWER = Preset("one_tower", "the paper's widths without the split", 227, _paper_layers(groups=1))


def _code_layers(groups, *widths):
    """Net 145 and its half. Output sides round up (layer.py), conv1's ReLU comes after pooling, a spatial
    normalization that the paper omits follows LRN 2, and conv3 to conv5 start three times wider.
    """
    conv1, conv2, conv3, conv4, conv5 = widths
    norm = dataclasses.replace(CODE_LRN, groups=groups)
    return (
        Conv("conv1", conv1, 11, stride=4, padding="ceil"), norm, MaxPool(padding="ceil"), RELU,
        Conv("conv2", conv2, 5, groups=groups, bias=1.0), RELU, norm, SpatialNorm(), MaxPool(padding="ceil"),
        Conv("conv3", conv3, 3, stddev=0.03), RELU,
        Conv("conv4", conv4, 3, groups=groups, stddev=0.03, bias=1.0), RELU,
        Conv("conv5", conv5, 3, groups=groups, stddev=0.03, bias=1.0), MaxPool(padding="ceil"), RELU,
        Flatten(),
        Dense("fc6", 4096, bias=1.0), RELU, PAPER_DROPOUT,
        Dense("fc7", 4096, bias=1.0), RELU, PAPER_DROPOUT,
        Dense("fc8", 1000),
    )  # fmt: skip


ORIGINAL = Preset(
    "original", "the code that ran in 2012 (net 145): 224 pixels", 224, _code_layers(2, 96, 256, 384, 384, 256)
)

ONE_COLUMN = Preset(
    "one_column", "half of net 145: one of its two columns, with all of conv5", 224,
    _code_layers(1, 48, 128, 192, 192, 256),
)  # fmt: skip

# The network for CIFAR-10 that the first author published (18 % test error; its three pools round up, which for 32
# pixels is what "same" does), and which has the four layers of the paper's Figure 1. Its normalization stays within a
# channel. ReLU comes before pooling here and after the first in the author's: with maxima that is the same.
_POOL = {"size": 3, "stride": 2, "padding": "same"}
_NORM = SpatialNorm(size=3, alpha=5e-5, beta=0.75)

FOUR_LAYERS = Preset(
    "four_layers", "the small network for CIFAR-10 of Figure 1", 32,
    (
        Conv("conv1", 32, 5, stddev=0.0001), RELU, MaxPool(**_POOL), _NORM,
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

# For comparison in tables only. LeCun, Bottou, Bengio and Haffner (1998) in the form that is usual today: all of
# conv2's maps connected, plain average pooling, a dense classifier.
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


def get_preset(preset):
    """Returns the `Preset` of that name; a `Preset` is returned as it is.

    Raises:
        ValueError: if there is no preset of that name.
    """
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise ValueError(f"Unknown preset. Allowed: {', '.join(sorted(PRESETS))}. Received: preset={preset!r}")
    return PRESETS[preset]
