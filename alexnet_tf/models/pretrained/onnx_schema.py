"""The fields of `onnx.proto` that a network's weights need, for reading and writing without the package `onnx`.

Packed numbers are declared as bytes, which look the same on the wire: none becomes a Python object in reading.
"""

from alexnet_tf.models.pretrained.protobuf import Field, message_class

_INT, _TEXT, _BYTES, _FLOAT = Field.TYPE_INT64, Field.TYPE_STRING, Field.TYPE_BYTES, Field.TYPE_FLOAT

Model = message_class(
    "alexnet_tf_onnx",
    {
        "Tensor": [
            ("dims", 1, _INT, True),
            ("data_type", 2, _INT, False),
            ("float_data", 4, _BYTES, False),
            ("name", 8, _TEXT, False),
            ("raw_data", 9, _BYTES, False),
            ("double_data", 10, _BYTES, False),
            ("data_location", 14, _INT, False),
        ],
        "Attribute": [
            ("name", 1, _TEXT, False),
            ("f", 2, _FLOAT, False),
            ("i", 3, _INT, False),
            ("t", 5, "Tensor", False),
            ("ints", 8, _INT, True),
            ("type", 20, _INT, False),
        ],
        "Node": [
            ("input", 1, _TEXT, True),
            ("output", 2, _TEXT, True),
            ("op_type", 4, _TEXT, False),
            ("attribute", 5, "Attribute", True),
        ],
        "Dimension": [("dim_value", 1, _INT, False), ("dim_param", 2, _TEXT, False)],
        "TensorShape": [("dim", 1, "Dimension", True)],
        "TensorType": [("elem_type", 1, _INT, False), ("shape", 2, "TensorShape", False)],
        "Type": [("tensor_type", 1, "TensorType", False)],
        "ValueInfo": [("name", 1, _TEXT, False), ("type", 2, "Type", False)],
        "Graph": [
            ("node", 1, "Node", True),
            ("name", 2, _TEXT, False),
            ("initializer", 5, "Tensor", True),
            ("input", 11, "ValueInfo", True),
            ("output", 12, "ValueInfo", True),
        ],
        "OperatorSet": [("domain", 1, _TEXT, False), ("version", 2, _INT, False)],
        "Model": [
            ("ir_version", 1, _INT, False),
            ("producer_name", 2, _TEXT, False),
            ("graph", 7, "Graph", False),
            ("opset_import", 8, "OperatorSet", True),
        ],
    },
    "Model",
)

# TensorProto.DataType
FLOAT, INT64, FLOAT16, DOUBLE = 1, 7, 10, 11
EXTERNAL = 1  # TensorProto.DataLocation
ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 2, 7  # AttributeProto.AttributeType
