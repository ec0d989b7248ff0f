"""Reads the University of Toronto's `bvlc_alexnet.npy`: a pickled dictionary of BVLC's weights, turned for TensorFlow.

NumPy's own unpickler executes what a file names. `safe_pickle` reads it as data, and admits arrays alone.
"""

import io
import math
import os
import pathlib
import re
from typing import Any

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.safe_pickle import read_pickle
from alexnet_tf.models.pretrained.weight_file import WeightFile, check_total, float32

# NumPy's own parser of headers compiles them. This one knows the header of one object.
_HEADER = re.compile(
    rb"\x93NUMPY(\x01\0..|[\x02\x03]\0....)\{'descr': '\|O[48]?', 'fortran_order': (False|True), 'shape': \(\), \} *\n",
    re.DOTALL,
)


def read_npy(path: str | os.PathLike) -> WeightFile:
    """Reads a dictionary from layer name to [kernel, bias]; kernels (height, width, in / groups, out) or (in, out).

    Args:
        path: of a file that `numpy.save(path, dictionary)` wrote, in Python 2 or 3. The first kernel's input channels
            are blue, green, red.

    Raises:
        UserError: if the file is something else, is truncated, or declares sizes that it does not hold.
        OSError: if it cannot be read.
    """
    data = pathlib.Path(path).read_bytes()
    header = _HEADER.match(data)
    if header is None:
        raise UserError(f"weights must be a .npy file of a dictionary of arrays, got {str(path)!r}")
    file = io.BytesIO(data)
    file.seek(header.end())
    try:
        layers = _layers(read_pickle(file, _NAMES))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"weights must be a complete .npy file of a dictionary of arrays, got {str(path)!r}: {error!s:.200}"
        ) from error
    check_total({f"{layer} {i}": array for layer, pair in layers.items() for i, array in enumerate(pair)}, path)
    converted = {layer: [float32(array, layer, path) for array in pair] for layer, pair in layers.items()}
    return WeightFile(converted, channels_first=False, bgr=True)


class _DType:
    """What a pickle says of a dtype: a kind and a size in bytes, then an order of bytes."""

    def __init__(self, code: Any, *others: Any) -> None:
        if type(code) is not str or not re.fullmatch("f[248]|O8?", code):
            raise ValueError("an array of what is not a floating-point number")
        self.code = code
        self.order: Any = "<"

    def set_state(self, state: Any) -> None:
        """Receives the order of bytes."""
        if type(state[1]) is not str or state[1] not in ("<", ">", "|", "="):
            raise ValueError("a damaged dtype")
        self.order = state[1]


class _Array:
    """An array that is made only when its state is known to fit its size."""

    def __init__(self, *arguments: Any) -> None:
        self.value: Any = None

    def set_state(self, state: Any) -> None:
        """Receives the shape, the dtype, the order of axes, and the numbers: bytes, Latin-1 text, or a list."""
        shape, dtype, fortran, data = state[-4:]
        if type(dtype) is not _DType or len(shape) > 8 or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError("a damaged array")
        if dtype.code.startswith("O"):
            if type(data) is not list or math.prod(shape) != len(data):
                raise ValueError("a damaged array of objects")
            self.value = data[0] if shape == () else data
            return
        number = np.dtype(dtype.code).newbyteorder(dtype.order)
        data = data.encode("latin-1") if type(data) is str else data
        if type(data) is not bytes or math.prod(shape) * number.itemsize != len(data):
            raise ValueError(f"an array of shape {tuple(shape)} with other than its number of bytes")
        self.value = np.frombuffer(data, number).reshape(shape, order="F" if fortran else "C")


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if type(text) is not str or encoding != "latin1":
        raise ValueError("damaged bytes")
    return text.encode("latin-1")


_NAMES: dict[str, Any] = {
    "numpy.core.multiarray _reconstruct": _Array,
    "numpy._core.multiarray _reconstruct": _Array,
    "numpy ndarray": None,
    "numpy dtype": _DType,
    "_codecs encode": _encode,
}


def _layers(contents: Any) -> dict[str, list[Any]]:
    layers = contents.value if type(contents) is _Array else None
    if type(layers) is not dict or not layers:
        raise ValueError("no dictionary of layers")
    found = {}
    for name, pair in layers.items():
        pair = pair.value if type(pair) is _Array else pair
        arrays = [array.value for array in pair if type(array) is _Array] if type(pair) in (list, tuple) else []
        if len(arrays) != 2 or not all(isinstance(array, np.ndarray) for array in arrays):
            raise ValueError(f"layer {name[:80]!r} is not a kernel and a bias")
        found[name] = arrays
    return found
