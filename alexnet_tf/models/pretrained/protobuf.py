"""Message classes from a few fields of a public protobuf schema."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto

# message: (field, number, type or message, whether it is repeated)
Schema = dict[str, list[tuple[str, int, Any, bool]]]


def message_class(file_name: str, schema: Schema, message: str) -> Any:
    """Makes the class of a message; those of its fields' messages come with it.

    Args:
        file_name: a name of its own for each schema, for messages in errors.
        schema: the fields that matter; others are skipped in reading.
        message: name of the message whose class is returned.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{file_name}.proto", package=file_name, syntax="proto2")
    for name, fields in schema.items():
        declared = file.message_type.add(name=name)
        for field_name, number, kind, repeated in fields:
            label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            field = declared.field.add(name=field_name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{file_name}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file_name}.{message}"))
