"""Reads `.caffemodel` files, in both forms that Caffe ever wrote.

The messages below hold only what weights need, with the field numbers of BVLC/caffe's `caffe.proto`. A packed array of
floats is on the wire what bytes are, and is declared as such here: no float becomes a Python object, and what a
file declares about sizes is compared with what it holds before anything is allocated.
"""

import math
import pathlib

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_Field = descriptor_pb2.FieldDescriptorProto

# message: (field, number, type or message, repeated)
_SCHEMA = {
    "BlobShape": [("dim", 1, _Field.TYPE_INT64, True)],
    "Blob": [
        ("num", 1, _Field.TYPE_INT32, False),
        ("channels", 2, _Field.TYPE_INT32, False),
        ("height", 3, _Field.TYPE_INT32, False),
        ("width", 4, _Field.TYPE_INT32, False),
        ("data", 5, _Field.TYPE_BYTES, False),
        ("shape", 7, "BlobShape", False),
        ("double_data", 8, _Field.TYPE_BYTES, False),
    ],
    "V1Layer": [("name", 4, _Field.TYPE_STRING, False), ("blobs", 6, "Blob", True)],
    "Layer": [("name", 1, _Field.TYPE_STRING, False), ("blobs", 7, "Blob", True)],
    "Net": [
        ("name", 1, _Field.TYPE_STRING, False),
        ("layers", 2, "V1Layer", True),
        ("layer", 100, "Layer", True),
    ],
}


def _net_class():
    """The message class of a whole file, made from the schema."""
    file = descriptor_pb2.FileDescriptorProto(name="alexnet_tf/caffe.proto", package="alexnet_tf", syntax="proto2")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated in fields:
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".alexnet_tf.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("alexnet_tf.Net"))


Net = _net_class()


def read_caffemodel(path):
    """The arrays of each layer, as Caffe stores them.

    Args:
        path: of a `.caffemodel` file; V1 layers (field `layers`) or newer ones (`layer`).

    Returns:
        A dict from layer name to a list of float32 arrays: kernels (out, in / groups, height, width) or
        (out, in), then biases (out,).

    Raises:
        ValueError: if the file is not a `.caffemodel`, is cut short, or declares sizes that it does not hold.
        OSError: if it cannot be read.
    """
    net = Net()
    try:
        net.ParseFromString(pathlib.Path(path).read_bytes())
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"weights are no .caffemodel, or cut short: {error}. Received: {str(path)!r}") from error
    arrays = {
        layer.name: [_array(blob, layer.name, path) for blob in layer.blobs]
        for layer in (*net.layers, *net.layer)
        if layer.blobs
    }
    if not arrays:
        raise ValueError(f"weights hold no layer with weights. Received: {str(path)!r}")
    return arrays


def _array(blob, layer, path):
    """One blob: legacy sizes are always four, of which leading ones of 1 mean nothing."""
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim)
    else:
        shape = (blob.num, blob.channels, blob.height, blob.width)
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
    kind, data = (np.float64, blob.double_data) if blob.double_data else (np.float32, blob.data)
    size = np.dtype(kind).itemsize
    if min(shape, default=0) < 1 or math.prod(shape) * size != len(data):
        raise ValueError(
            f"weights: layer {layer!r} declares the shape {shape} and holds {len(data) // size} numbers. "
            f"Received: {str(path)!r}"
        )
    return np.frombuffer(data, np.dtype(kind).newbyteorder("<")).reshape(shape).astype(np.float32)
