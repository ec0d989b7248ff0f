"""Reads `.caffemodel` files in both of Caffe's formats.

The schema below has only the fields that weights need, with the field numbers of BVLC/caffe's `caffe.proto`. Packed
floats are declared as bytes, which look the same on the wire: no float becomes a Python object, and declared sizes are
compared with the bytes at hand before anything is allocated.
"""

import math
import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.protobuf import Field, Schema, message_class
from alexnet_tf.models.pretrained.weight_file import WeightFile

_SCHEMA: Schema = {
    "BlobShape": [("dim", 1, Field.TYPE_INT64, True)],
    "Blob": [
        ("num", 1, Field.TYPE_INT32, False),
        ("channels", 2, Field.TYPE_INT32, False),
        ("height", 3, Field.TYPE_INT32, False),
        ("width", 4, Field.TYPE_INT32, False),
        ("data", 5, Field.TYPE_BYTES, False),
        ("shape", 7, "BlobShape", False),
        ("double_data", 8, Field.TYPE_BYTES, False),
    ],
    "V1Layer": [("name", 4, Field.TYPE_STRING, False), ("blobs", 6, "Blob", True)],
    "Layer": [("name", 1, Field.TYPE_STRING, False), ("blobs", 7, "Blob", True)],
    "Net": [
        ("name", 1, Field.TYPE_STRING, False),
        ("layers", 2, "V1Layer", True),
        ("layer", 100, "Layer", True),
    ],
}

Net = message_class("alexnet_tf_caffe", _SCHEMA, "Net")


def read_caffemodel(path: str | os.PathLike) -> WeightFile:
    """Reads float32 arrays in Caffe's layout.

    Args:
        path: of a `.caffemodel` file; V1 layers (field `layers`) or newer ones (`layer`).

    Raises:
        UserError: if the file is not a `.caffemodel`, is truncated, or declares sizes that it does not hold.
        OSError: if it cannot be read.
    """
    net = Net()
    try:
        net.ParseFromString(pathlib.Path(path).read_bytes())
    except (DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"weights must be a complete .caffemodel file, got {str(path)!r}: {error}") from error
    arrays = {
        layer.name: [_array(blob, layer.name, path) for blob in layer.blobs]
        for layer in (*net.layers, *net.layer)
        if layer.blobs
    }
    if not arrays:
        raise UserError(f"weights must contain layers with weights, got {str(path)!r}, which has none")
    return WeightFile(arrays, channels_first=True, bgr=True)


def _array(blob: Any, layer: str, path: str | os.PathLike) -> npt.NDArray[np.float32]:
    """Reads one blob. Legacy shapes always have four sizes, padded with leading ones."""
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim)
    else:
        shape = (blob.num, blob.channels, blob.height, blob.width)
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
    kind, data = (np.float64, blob.double_data) if blob.double_data else (np.float32, blob.data)
    size = np.dtype(kind).itemsize
    if min(shape, default=0) < 1 or math.prod(shape) * size != len(data):
        raise UserError(
            f"weights: layer {layer!r} of {str(path)!r} must hold as many numbers as its shape {shape} says, "
            f"got {len(data) // size}"
        )
    return np.frombuffer(data, np.dtype(kind).newbyteorder("<")).reshape(shape).astype(np.float32)
