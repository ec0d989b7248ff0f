"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012) on TensorFlow and Keras 3."""

import importlib
import os

__version__ = "0.1.0"

# TensorFlow leaves oneDNN's kernels off on CPUs without AVX-512, where they make a training step about 1.5 times as
# fast. It reads this once, when it is imported; a user's own setting, or a TensorFlow imported before, stays as it is.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Loaded on first use: importing TensorFlow takes seconds that `alexnet-tf --help` does not need.
_EXPORTS = {
    "AlexNet": "alexnet_tf.models.builder",
    "PRESETS": "alexnet_tf.models.presets",
    "Preset": "alexnet_tf.models.presets",
    "get_preset": "alexnet_tf.models.presets",
    "GroupedConv2D": "alexnet_tf.models.layers",
    "LocalResponseNormalization": "alexnet_tf.models.layers",
    "SpatialNormalization": "alexnet_tf.models.layers",
    "preprocess_input": "alexnet_tf.models.pretrained.imagenet",
    "decode_predictions": "alexnet_tf.models.pretrained.imagenet",
    "RECIPES": "alexnet_tf.runs.recipes",
    "Recipe": "alexnet_tf.runs.recipe",
    "train_and_evaluate": "alexnet_tf.training.loop",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
