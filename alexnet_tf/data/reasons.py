"""Why an image file could not be read, in a few words."""

import re

from alexnet_tf.data.decoding import UNKNOWN_FORMAT

NOT_AN_IMAGE = "not a JPEG, PNG, GIF or BMP image"

# The formats that people take for images that can be read: name, place and bytes of their mark.
_OTHERS = (
    ("WebP", 8, b"WEBP"), ("JPEG XL", 0, b"\xff\x0a"), ("JPEG XL", 4, b"JXL "), ("JPEG 2000", 4, b"jP  "),
    ("AVIF", 4, b"ftypavif"), ("AVIF", 4, b"ftypavis"), ("HEIC", 4, b"ftyp"), ("TIFF", 0, b"II*\0"),
    ("TIFF", 0, b"MM\0*"), ("TIFF", 0, b"II+\0"), ("Photoshop", 0, b"8BPS"), ("PDF", 0, b"%PDF"), ("SVG", 0, b"<svg"),
)  # fmt: skip
# What TensorFlow makes of an `Assert` with a message and a value.
_ASSERTION = re.compile(r"assertion failed: \[(.*?) Received:\] \[(.*?)\]", re.DOTALL)


def reason(error: Exception, encoded: bytes | None = None) -> str:
    """Why a file was skipped.

    Args:
        error: what was raised when the file was read or decoded.
        encoded: the file's bytes, if they could be read.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    message = getattr(error, "message", str(error))
    if encoded == b"":
        return "an empty file"
    if encoded is not None and (UNKNOWN_FORMAT in message or "Unknown image file format" in message):
        return unsupported(encoded)
    if failed := _ASSERTION.search(message):
        return f"{failed[1]} Received: {failed[2]}"
    # A graph's errors begin with where in the graph they were raised, and end with the operation.
    lines = [line for line in message.split("\n\t [[")[0].splitlines() if line.strip()]
    return f"damaged: {lines[-1].strip() if lines else type(error).__name__}"


def unsupported(encoded: bytes) -> str:
    """What bytes in none of our formats are."""
    for name, place, mark in _OTHERS:
        if encoded[place : place + len(mark)] == mark:
            return f"{name} is not supported: convert it to JPEG or PNG"
    return NOT_AN_IMAGE
