"""Names, labels and sizes inside a TFLite file, where readers of TFLite's metadata look for them.

Format: `metadata_schema.fbs` of TensorFlow Lite, and a zip archive behind the model with the files that the metadata
name. Only the few fields that are filled are written, so no generated code is needed.
"""

import io
import json
import zipfile
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from alexnet_tf.exporting.manifest import labels_text
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.manifest import LABELS

# JSON with `resize` and `crop` in pixels.
PREPROCESSING = "preprocessing.json"

# Field numbers in the schema's tables, and values of its enumerations.
_MODEL = {"name": 0, "description": 1, "subgraphs": 3, "files": 6, "min_parser_version": 7}
_SUBGRAPH = {"inputs": 2, "outputs": 3}
_TENSOR = {"name": 0, "description": 1, "content": 3, "files": 6}
_CONTENT = {"kind": 0, "properties": 1}
_IMAGE = {"colors": 0}
_FILE = {"name": 0, "description": 1, "kind": 2}
_IMAGE_PROPERTIES, _RGB, _DESCRIPTIONS, _AXIS_LABELS = 2, 1, 1, 2


def add(content: bytes, predictor: KerasPredictor) -> bytes:
    """Adds metadata to a TFLite file's bytes: its input, its output, its labels and its preprocessing."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    for stored in model.buffers:
        if stored.offset:  # Weights behind the model, whose place changes.
            stored.data = np.frombuffer(content, np.uint8, stored.size, stored.offset)
            stored.offset = stored.size = 0
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer, buffer.data = "TFLITE_METADATA", len(model.buffers), list(_metadata(predictor))
    model.metadata.append(entry)
    model.buffers.append(buffer)
    file = io.BytesIO(bytes(flatbuffer_utils.convert_object_to_bytearray(model)))
    sizes = {"resize": predictor.preprocessing.resize, "crop": predictor.preprocessing.crop}
    with zipfile.ZipFile(file, "a") as archive:
        # `ZipInfo` has a fixed date, so that the same network gives the same bytes.
        archive.writestr(zipfile.ZipInfo(LABELS), labels_text(predictor.class_names))
        archive.writestr(zipfile.ZipInfo(PREPROCESSING), json.dumps(sizes))
    return file.getvalue()


def _metadata(predictor: KerasPredictor) -> bytes:
    resize, crop = predictor.preprocessing.resize, predictor.preprocessing.crop
    image = {
        "name": "image",
        "description": f"RGB, uint8, 0 to 255; the shorter side resized to {resize} pixels, the central {crop} by "
        f"{crop} cut out",
        "content": (_CONTENT, {"kind": _IMAGE_PROPERTIES, "properties": (_IMAGE, {"colors": _RGB})}),
    }
    labels = {"name": LABELS, "description": "one label a line", "kind": _AXIS_LABELS}
    probabilities = {"name": "probability", "description": "of each label", "files": [(_FILE, labels)]}
    sizes = {"name": PREPROCESSING, "description": "resize and crop in pixels", "kind": _DESCRIPTIONS}
    model = {
        "name": "AlexNet",
        "description": f"classifies photographs into {len(predictor.class_names)} classes",
        "subgraphs": [(_SUBGRAPH, {"inputs": [(_TENSOR, image)], "outputs": [(_TENSOR, probabilities)]})],
        "files": [(_FILE, sizes)],
        "min_parser_version": "1.0.0",
    }
    builder = flatbuffers.Builder()
    builder.Finish(_value(builder, (_MODEL, model)), file_identifier=b"M001")
    return bytes(builder.Output())


def _value(builder: flatbuffers.Builder, value: Any) -> int:
    """Writes a string, a table as (field numbers, fields), or a list of tables.

    Returns:
        The offset of what was written; a small number, which is stored in its table, is returned as it is.
    """
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, list):
        offsets = [_value(builder, item) for item in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    numbers, fields = value
    written = {name: _value(builder, field) for name, field in fields.items()}
    builder.StartObject(max(numbers.values()) + 1)
    for name, field in written.items():
        add_field = builder.PrependUint8Slot if isinstance(fields[name], int) else builder.PrependUOffsetTRelativeSlot
        add_field(numbers[name], field, 0)
    return builder.EndObject()
