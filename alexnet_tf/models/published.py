"""Presets of the AlexNets with published weights, and of AlexNet with batch normalization.

Sources: `models/bvlc_alexnet` and `models/bvlc_reference_caffenet` of BVLC/caffe; `torchvision/models/alexnet.py`,
which follows Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014); Simon, Rodner and
Denzler, "ImageNet pre-trained models with batch normalization" (2016). All take RGB; published weights for BGR are
reordered when they are loaded.
"""

from typing import Any

from alexnet_tf.models.preset import Preprocessing, Preset
from alexnet_tf.models.specs import (
    LRN,
    RELU,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    LayerSpec,
    MaxPool,
    Scale,
)

KERAS_DROPOUT = Dropout(rate=0.5)

# Caffe's k is 1, and its alpha is divided by n = 5.
CAFFE_LRN = LRN(depth_radius=2, bias=1.0, alpha=1e-4 / 5, beta=0.75)
# Mean color of ILSVRC-2012 in Caffe's file, where it is in the order blue, green, red.
CAFFE_PREPROCESSING = Preprocessing(mean=(122.679, 116.669, 104.007))


def _caffe_layers(first: tuple[LayerSpec, ...], second: tuple[LayerSpec, ...]) -> tuple[LayerSpec, ...]:
    """`first`, `second`: the layers after the ReLUs of conv1 and conv2. Biases of 0.1 let the loss fall."""
    dense: dict[str, Any] = {"kernel_init": 0.005, "bias_init": 0.1}
    return (
        Conv("conv1", 96, 11, stride=4, padding="valid"), RELU, *first,
        Conv("conv2", 256, 5, groups=2, bias_init=0.1), RELU, *second,
        Conv("conv3", 384, 3), RELU,
        Conv("conv4", 384, 3, groups=2, bias_init=0.1), RELU,
        Conv("conv5", 256, 3, groups=2, bias_init=0.1), RELU, MaxPool(),
        Flatten(),
        Dense("fc6", 4096, **dense), RELU, KERAS_DROPOUT,
        Dense("fc7", 4096, **dense), RELU, KERAS_DROPOUT,
        Dense("fc8", 1000),
    )  # fmt: skip


CAFFE = Preset(
    "caffe", "BVLC's AlexNet: the paper's with k = 1, initial biases 0.1", 227,
    _caffe_layers((CAFFE_LRN, MaxPool()), (CAFFE_LRN, MaxPool())), preprocessing=CAFFE_PREPROCESSING,
)  # fmt: skip

CAFFENET = Preset(
    "caffenet", "BVLC's CaffeNet: pooling before normalization", 227,
    _caffe_layers((MaxPool(), CAFFE_LRN), (MaxPool(), CAFFE_LRN)), preprocessing=CAFFE_PREPROCESSING,
)  # fmt: skip

# PyTorch's default initialization of convolutions and linear layers.
_TORCH: dict[str, Any] = {"kernel_init": "fan_in_uniform", "bias_init": "fan_in_uniform"}

TORCHVISION = Preset(
    "torchvision", "torchvision's, after \"one weird trick\": one tower, no LRN", 224,
    (
        Scale((58.395, 57.12, 57.375)),
        Conv("conv1", 64, 11, stride=4, padding=2, **_TORCH), RELU, MaxPool(),
        Conv("conv2", 192, 5, **_TORCH), RELU, MaxPool(),
        Conv("conv3", 384, 3, **_TORCH), RELU,
        Conv("conv4", 256, 3, **_TORCH), RELU,
        Conv("conv5", 256, 3, **_TORCH), RELU, MaxPool(),
        Flatten(), KERAS_DROPOUT,
        Dense("fc6", 4096, **_TORCH), RELU, KERAS_DROPOUT,
        Dense("fc7", 4096, **_TORCH), RELU,
        Dense("fc8", 1000, **_TORCH),
    ),
    preprocessing=Preprocessing(mean=(123.675, 116.28, 103.53)),
)  # fmt: skip

_HE: dict[str, Any] = {"kernel_init": "he"}

BN = Preset(
    "bn", "batch normalization instead of LRN; an initialization for every width", 227,
    (
        Conv("conv1", 96, 11, stride=4, padding="valid", **_HE), BatchNorm(), RELU, MaxPool(),
        Conv("conv2", 256, 5, groups=2, **_HE), BatchNorm(), RELU, MaxPool(),
        Conv("conv3", 384, 3, **_HE), BatchNorm(), RELU,
        Conv("conv4", 384, 3, groups=2, **_HE), BatchNorm(), RELU,
        Conv("conv5", 256, 3, groups=2, **_HE), BatchNorm(), RELU, MaxPool(),
        Flatten(),
        Dense("fc6", 4096, **_HE), RELU, KERAS_DROPOUT,
        Dense("fc7", 4096, **_HE), RELU, KERAS_DROPOUT,
        Dense("fc8", 1000, **_HE),
    ),
)  # fmt: skip
