"""JPEG files whose EXIF orientation lies in unusual places, or only seems to be there: {name: bytes}."""

import struct

TAG, SHORT, LONG, ASCII, UNDEFINED = 0x0112, 3, 4, 2, 7


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def entry(order, tag, kind, count, value):
    """One entry of a directory; `value` is a number of the kind's size, or four bytes."""
    if not isinstance(value, bytes):
        value = struct.pack(order + ("H2x" if kind == SHORT else "I"), value)
    return struct.pack(order + "HHI", tag, kind, count) + value


def directory(order, *entries, following=0):
    return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)


def tiff(order, directory, at=8, behind=b""):
    """A TIFF file whose first directory lies at byte `at`."""
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, at)
    return start.ljust(at, b"\0") + directory + behind


def exif(tiff):
    return segment(0xE1, b"Exif\0\0" + tiff)


def _xmp(text=b"tiff:Make"):
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + text + b"</x:xmpmeta>")


def _segments(order):
    """{name: segments after the start of the image}, of which many say that the image is stored turned: 6."""
    plain = exif(tiff(order, directory(order, entry(order, TAG, SHORT, 1, 6))))
    tag = entry(order, TAG, SHORT, 1, 6)
    width = entry(order, 0x0100, SHORT, 1, 100)
    icc = segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(range(256)) * 12)
    marker = struct.pack(order + "H", TAG)
    thumbnail = directory(order, tag)
    first = directory(order, width, following=8 + 18)
    jfif = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    far = 40_000
    return {
        "plain": plain,
        "after JFIF": jfif + plain,
        "after ICC": icc + plain,
        "after three ICC": icc * 3 + plain,
        "after XMP": _xmp() + plain,
        "after a comment": segment(0xFE, b"a comment" * 500) + plain,
        "after a large comment": segment(0xFE, b"x" * 65_000) + plain,
        "after ICC, XMP and a comment": icc + _xmp() + segment(0xFE, b"c") + plain,
        "after an empty segment": segment(0xEF, b"") + plain,
        "after Photoshop": segment(0xED, b"Photoshop 3.0\x008BIM" + bytes(900)) + plain,
        "after fill bytes": b"\xff\xff\xff" + plain,
        "after an Exif of ICC": segment(0xE2, b"Exif\0\0" + tiff(order, directory(order, tag))[::-1]) + plain,
        "directory far in": exif(tiff(order, directory(order, tag), at=far)),
        "directory at an odd place": exif(tiff(order, directory(order, tag), at=1_001)),
        "LONG": exif(tiff(order, directory(order, entry(order, TAG, LONG, 1, 6)))),
        "the last of many": exif(tiff(order, directory(order, *[width] * 60, tag))),
        "with a thumbnail of another": exif(
            tiff(order, directory(order, tag, following=26), behind=directory(order, entry(order, TAG, SHORT, 1, 3)))
        ),
        "the first Exif of two": plain + exif(tiff(order, directory(order, width))),
        "more entries than bytes": exif(tiff(order, struct.pack(order + "H", 500) + width + tag)),
        # From here on nothing is turned.
        "none": b"",
        "only ICC": icc,
        "only in the thumbnail": exif(tiff(order, first, behind=thumbnail)),
        "in a string": exif(tiff(order, directory(order, entry(order, 0x010E, ASCII, 12, 26)), behind=tag)),
        "in an undefined field": exif(tiff(order, directory(order, entry(order, 0x9286, UNDEFINED, 4, marker * 2)))),
        "in a comment": segment(0xFE, plain),
        "in XMP": _xmp(b"Exif\0\0" + tiff(order, directory(order, tag))),
        "in another segment": segment(0xE2, b"Exif\0\0" + tiff(order, directory(order, tag))),
        "name without its zeros": segment(0xE1, b"Exif  " + tiff(order, directory(order, tag))),
        "value 0": exif(tiff(order, directory(order, entry(order, TAG, SHORT, 1, 0)))),
        "value 9": exif(tiff(order, directory(order, entry(order, TAG, SHORT, 1, 9)))),
        "LONG of 65,542": exif(tiff(order, directory(order, entry(order, TAG, LONG, 1, 65_542)))),
        "value 262": exif(tiff(order, directory(order, entry(order, TAG, SHORT, 1, 262)))),
        "text": exif(tiff(order, directory(order, entry(order, TAG, ASCII, 2, b"6\0\0\0")))),
        "directory beyond the end": exif(tiff(order, b"", at=8)[:4] + struct.pack(order + "I", 2**31)),
        "cut in the entry": exif(tiff(order, directory(order, tag))[:18]),
        "not TIFF": exif(b"XX" + tiff(order, directory(order, tag))[2:]),
        "empty Exif": segment(0xE1, b"Exif\0\0"),
    }


def layouts(jpeg):
    """{name: bytes} of files with the pixels of `jpeg`, in both byte orders."""
    return {
        f"{name}, {'little' if order == '<' else 'big'}-endian": jpeg[:2] + segments + jpeg[2:]
        for order in "<>"
        for name, segments in _segments(order).items()
    }
