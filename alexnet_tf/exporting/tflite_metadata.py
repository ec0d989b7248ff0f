"""Names and labels inside a TFLite file, where readers of TFLite's metadata look for them.

Format: `metadata_schema.fbs` of TensorFlow Lite, and a zip archive after the model that holds the labels. Only the
few fields that are filled are written, so no generated code is needed.
"""

import io
import zipfile

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from alexnet_tf.exporting import manifest

# Places in the schema's tables, and values of its enumerations.
_MODEL = {"name": 0, "description": 1, "subgraphs": 3, "min_parser_version": 7}
_SUBGRAPH = {"inputs": 2, "outputs": 3}
_TENSOR = {"name": 0, "description": 1, "content": 3, "files": 6}
_CONTENT = {"kind": 0, "properties": 1}
_IMAGE = {"colors": 0}
_FILE = {"name": 0, "description": 1, "kind": 2}
_IMAGE_PROPERTIES, _RGB, _AXIS_LABELS = 2, 1, 2


def add(content, classifier):
    """Returns a TFLite file's bytes with metadata: what goes in and out, and the labels."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer, buffer.data = "TFLITE_METADATA", len(model.buffers), list(_metadata(classifier))
    model.metadata.append(entry)
    model.buffers.append(buffer)
    file = io.BytesIO(bytes(flatbuffer_utils.convert_object_to_bytearray(model)))
    with zipfile.ZipFile(file, "a") as archive:
        # A date of its own, so that the same network gives the same bytes.
        archive.writestr(zipfile.ZipInfo(manifest.LABELS), manifest.labels(classifier.class_names))
    return file.getvalue()


def _metadata(classifier):
    image = {
        "name": "image",
        "description": f"RGB, uint8, 0 to 255; the shorter side resized to {classifier.resize} pixels, the central "
        f"{classifier.crop} by {classifier.crop} cut out",
        "content": (_CONTENT, {"kind": _IMAGE_PROPERTIES, "properties": (_IMAGE, {"colors": _RGB})}),
    }
    labels = {"name": manifest.LABELS, "description": "one label a line", "kind": _AXIS_LABELS}
    probabilities = {"name": "probability", "description": "of each label", "files": [(_FILE, labels)]}
    model = {
        "name": "AlexNet",
        "description": f"names one of {len(classifier.class_names)} classes for a photograph",
        "subgraphs": [(_SUBGRAPH, {"inputs": [(_TENSOR, image)], "outputs": [(_TENSOR, probabilities)]})],
        "min_parser_version": "1.0.0",
    }
    builder = flatbuffers.Builder()
    builder.Finish(_value(builder, (_MODEL, model)), file_identifier=b"M001")
    return builder.Output()


def _value(builder, value):
    """Writes a string, a table as (places, fields), or a list of tables; its offset. Small numbers stay themselves."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, list):
        offsets = [_value(builder, one) for one in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    places, fields = value
    written = {name: _value(builder, field) for name, field in fields.items()}
    builder.StartObject(max(places.values()) + 1)
    for name, field in written.items():
        add_field = builder.PrependUint8Slot if isinstance(fields[name], int) else builder.PrependUOffsetTRelativeSlot
        add_field(places[name], field, 0)
    return builder.EndObject()
