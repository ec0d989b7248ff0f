"""Imports TensorFlow without the lines that it writes to stderr at every start, whatever its log level.

Commands import this before anything else that imports TensorFlow, so that an error message is all there is on the
screen. With `TF_CPP_MIN_LOG_LEVEL` set to 0 or 1, everything is shown.
"""

import contextlib
import os
from types import ModuleType

from alexnet_tf.stderr_filter import without_stderr_lines

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _import_tensorflow() -> ModuleType:
    import tensorflow

    tensorflow.config.list_physical_devices()  # Looks for GPUs, and reports on them.
    return tensorflow


with without_stderr_lines("") if os.environ["TF_CPP_MIN_LOG_LEVEL"] in ("2", "3") else contextlib.nullcontext():
    tf = _import_tensorflow()
