"""A seeded corpus of image files, good, damaged and hostile: `corpus(count)` yields (name, bytes, expectation)."""

import functools
import io
import itertools
import random
import struct
import zlib

import exif_layouts
import numpy as np
from PIL import Image

GOOD, BAD, ANY = "good", "bad", "any"  # Readable; refused; either, but by all readers alike.
SIDES = (120, 100)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def claiming(jpeg, side):
    """A JPEG whose header claims `side` by `side` pixels."""
    start = jpeg.index(b"\xff\xc0")
    return jpeg[: start + 5] + struct.pack(">HH", side, side) + jpeg[start + 9 :]


def png_claiming(side):
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def many_scans(image, copies):
    """A progressive JPEG with one of its scans repeated."""
    data = saved(image, "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff", start + 2)
    while data[end + 1] == 0:
        end = data.index(b"\xff", end + 1)
    return data[:end] + data[start:end] * copies + data[end:]


@functools.cache
def gif_frame(side):
    """An image of a GIF file, `side` by `side` pixels of color 0, in as few bytes as LZW can."""
    left, codes = side * side, []
    while left > 0:
        codes.append((4, 3))  # Clear.
        for number in itertools.count(5):
            code, length = (0, 1) if number == 5 else (number, number - 4)
            codes.append((code, min(12, max(3, number.bit_length()))))
            left -= length
            if left <= 0 or number == 4094:
                break
    bits = sum_bits = 0
    packed = bytearray()
    for code, width in [*codes, (5, 12)]:
        bits |= code << sum_bits
        sum_bits += width
        while sum_bits >= 8:
            packed.append(bits & 255)
            bits >>= 8
            sum_bits -= 8
    packed.append(bits & 255)
    blocks = [bytes(packed[i : i + 255]) for i in range(0, len(packed), 255)]
    content = b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    return b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\2" + content


def gif_bomb(image, side, frames):
    """A small GIF file with large images behind the first."""
    return saved(image, "GIF")[:-1] + gif_frame(side) * frames + b";"


def gif_of_large_image(side):
    """A GIF file that says that it is small, whose first image is not."""
    return b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0x80, 0, 0) + bytes(6) + gif_frame(side) + b";"


@functools.cache
def seeds(number):
    """{name: (bytes, expectation)} of files that are whole."""
    pixels = np.random.default_rng(number).integers(0, 256, (7, 6, 3)).astype(np.uint8)
    image = Image.fromarray(pixels).resize(SIDES[::-1], Image.BICUBIC)
    jpeg = saved(image, "JPEG")
    names = list(exif_layouts.layouts(jpeg))
    turned = exif_layouts.layouts(jpeg)[names[number % len(names)]]
    good = {
        "jpeg": jpeg, "gray": saved(image.convert("L"), "JPEG"), "cmyk": saved(image.convert("CMYK"), "JPEG"),
        "progressive": saved(image, "JPEG", progressive=True), "exif": turned, "png": saved(image, "PNG"),
        "rgba": saved(image.convert("RGBA"), "PNG"), "palette": saved(image.convert("P"), "PNG"),
        "bit": saved(image.convert("1"), "PNG"), "gif": saved(image, "GIF"), "bmp": saved(image, "BMP"),
        "animated": saved(image, "GIF", save_all=True, append_images=[image.rotate(90), image.rotate(180)]),
        "some scans": many_scans(image, 50), "gif bomb": gif_bomb(image, 10_000, 3),
    }  # fmt: skip
    bad = {
        "empty": b"", "text": b"This is no image.", "zeros": bytes(2000), "webp": saved(image, "WEBP"),
        "tiff": saved(image, "TIFF"), "jpeg xl": b"\xff\x0a" + bytes(40), "avif": b"\0\0\0\x1cftypavif" + bytes(40),
        "large jpeg": claiming(jpeg, 30_000), "large png": png_claiming(30_000), "scans": many_scans(image, 17_000),
        "large gif": b"GIF89a" + struct.pack("<HH", 30_000, 30_000) + bytes(99),
        "large image in a gif": gif_of_large_image(20_000), "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "large bmp": b"BM" + bytes(16) + struct.pack("<ii", 30_000, -30_000) + bytes(99),
        "slim": saved(Image.fromarray(np.zeros((1, 900, 3), np.uint8)), "PNG"),
    }  # fmt: skip
    return {name: (data, GOOD) for name, data in good.items()} | {name: (data, BAD) for name, data in bad.items()}


def _mutated(data, other, rng):
    data = bytearray(data)
    at = rng.randrange(len(data)) if data else 0
    kind = rng.randrange(6)
    if kind == 0:
        del data[at:]
    elif kind == 1:
        for _ in range(rng.randint(1, 20)):
            place = rng.randrange(min(len(data), rng.choice([60, 700, len(data)]))) if data else 0
            data[place : place + 1] = bytes([rng.randrange(256)])
    elif kind == 2:
        data[at : at + rng.randint(1, 40)] = b""
    elif kind == 3:
        data[at:at] = rng.randbytes(rng.randint(1, 400))
    elif kind == 4:
        data[at:] = other[at:]
    else:
        data[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\xff\xff"])
    return bytes(data)


def corpus(count, seed=0):
    """Yields `count` files: first one of each kind that is whole, then mutations of them."""
    rng = random.Random(seed)
    whole = [list(seeds(number).items()) for number in range(4)]
    every = itertools.chain.from_iterable(whole)
    for name, (data, expectation) in itertools.islice(every, min(count, len(whole[0]))):
        yield name, data, expectation
    for number in range(count - len(whole[0])):
        name, (data, _) = whole[number % 4][rng.randrange(len(whole[0]))]
        _, (other, _) = whole[number % 4][rng.randrange(len(whole[0]))]
        # What is large stays rare: it is slow to copy, and its mutations are much the same.
        if len(data) > 100_000 and number % 10:
            name, (data, _) = whole[number % 4][number % 12]
        yield f"{name}, mutation {number}", _mutated(data, other, rng), ANY
