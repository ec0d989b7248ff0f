"""Reads `.weights.h5` files as arrays by layer name, so that layers that do not fit can be reported."""

import json
import math
import os
import subprocess
import sys
from typing import Any

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained import h5_layout
from alexnet_tf.models.pretrained.weight_file import Array, WeightFile, float32

_TIMEOUT = 60.0  # Seconds; the script limits its own processor time to far less.


def read_weights_h5(path: str | os.PathLike) -> WeightFile:
    """Reads arrays by layer name, in Keras' layout.

    Args:
        path: of a file that `keras.Model.save_weights` wrote.

    Raises:
        UserError: if it is not such a file, is truncated, declares sizes that it does not hold, or refers to others.
        OSError: if it cannot be read.
    """
    layers: dict[str, list[Array]] = {}
    with open(path, "rb") as file:
        size, total = os.fstat(file.fileno()).st_size, 0
        try:
            for layer, key, dtype, shape, position in _find_arrays(os.fspath(path)):
                count = math.prod(shape)
                total += count * np.dtype(dtype).itemsize
                # Equal parts of a file can be declared as many arrays.
                if position < 0 or total > size:
                    raise ValueError(f"{layer}/{key} declares more bytes than the {size} of the file")
                file.seek(position)
                array = np.fromfile(file, dtype, count)
                if array.size != count:
                    raise ValueError(f"{layer}/{key} declares {count} numbers and holds {array.size}")
                layers.setdefault(layer, []).append(float32(array, f"{layer}/{key}", path).reshape(shape))
        except UserError:
            raise
        except (ValueError, TypeError) as error:
            raise UserError(
                f"weights must be a complete .weights.h5 file, got {str(path)!r}: {error!s:.300}"
            ) from error
    return WeightFile(layers, channels_first=False)


def _find_arrays(path: str | bytes) -> list[Any]:
    """As `h5_layout.find_arrays`, in a process of its own.

    Raises:
        ValueError: if that process says that the file is damaged, or does not survive it.
    """
    if not sys.executable or getattr(sys, "frozen", False):  # A bundled program cannot start Python.
        try:
            return h5_layout.find_arrays(os.fsdecode(path))
        except Exception as error:
            raise ValueError(str(error)) from error
    command = [sys.executable, h5_layout.__file__, os.path.abspath(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError("the HDF5 library does not come to an end with it") from error
    if done.returncode == 1:
        raise ValueError(" ".join(done.stderr.decode(errors="replace").split()))
    if done.returncode:
        raise ValueError(f"the HDF5 library did not survive it (exit code {done.returncode})")
    return json.loads(done.stdout)
