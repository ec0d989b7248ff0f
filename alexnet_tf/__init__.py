"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012) on TensorFlow and Keras 3."""

import importlib as _importlib
import os as _os
import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from alexnet_tf import registration as _registration
from alexnet_tf import stderr_filter as _stderr_filter

if _TYPE_CHECKING:
    from alexnet_tf.compression.compress import compress
    from alexnet_tf.data.datasets import open_dataset
    from alexnet_tf.evaluation.evaluator import evaluate
    from alexnet_tf.exporting.export import export
    from alexnet_tf.models import layers
    from alexnet_tf.models.builder import AlexNet
    from alexnet_tf.models.preset import Preset
    from alexnet_tf.models.presets import PRESETS, get_preset
    from alexnet_tf.models.pretrained.imagenet import decode_predictions, preprocess_input
    from alexnet_tf.runs.opening import open_predictor
    from alexnet_tf.runs.recipe import Recipe
    from alexnet_tf.runs.recipes import RECIPES, get_recipe
    from alexnet_tf.runs.run import load_run
    from alexnet_tf.training.loop import train_and_evaluate

__version__ = "0.1.0"

# All are read once, when TensorFlow is imported or first looks for GPUs; values that the user has set stay.
# On CPUs without AVX-512, TensorFlow leaves oneDNN off, although it makes a training step about 1.5 times as fast.
_os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# GPU memory is taken as it is needed: otherwise a process takes all of it, and no other can use the GPU.
_os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# Errors only: otherwise TensorFlow prints several lines about the CPU and missing GPUs at every start.
_os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Imported on first use, because importing TensorFlow takes seconds.
_MODULE_OF = {
    "AlexNet": "models.builder",
    "PRESETS": "models.presets",
    "Preset": "models.preset",
    "RECIPES": "runs.recipes",
    "Recipe": "runs.recipe",
    "compress": "compression.compress",
    "decode_predictions": "models.pretrained.imagenet",
    "evaluate": "evaluation.evaluator",
    "export": "exporting.export",
    "get_preset": "models.presets",
    "get_recipe": "runs.recipes",
    "layers": "models.layers",
    "load_run": "runs.run",
    "open_dataset": "data.datasets",
    "open_predictor": "runs.opening",
    "preprocess_input": "models.pretrained.imagenet",
    "train_and_evaluate": "training.loop",
}

_WITHOUT_TENSORFLOW = ("PRESETS", "Preset", "get_preset")

__all__ = [
    "AlexNet",
    "PRESETS",
    "Preset",
    "RECIPES",
    "Recipe",
    "compress",
    "decode_predictions",
    "evaluate",
    "export",
    "get_preset",
    "get_recipe",
    "layers",
    "load_run",
    "open_dataset",
    "open_predictor",
    "preprocess_input",
    "train_and_evaluate",
]


def __getattr__(name: str) -> _Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _WITHOUT_TENSORFLOW and "tensorflow" not in _sys.modules:
        _stderr_filter.import_tensorflow()
    module = _importlib.import_module(f"alexnet_tf.{_MODULE_OF[name]}")
    return module if name == "layers" else getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


_registration.register_layers()
