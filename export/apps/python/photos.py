"""What a photograph goes through before the network sees it, as the manifest of an export says, and how answers are
printed; needs NumPy and Pillow."""

import json
import pathlib
import sys

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

TOP = 5

# What Pillow raises for a file that is no image, is cut short, or claims to be enormous.
UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def read_manifest(model):
    """The manifest beside a model's file."""
    return json.loads((pathlib.Path(model).parent / "manifest.json").read_text())


def prepare(file, resize, crop):
    """Decodes, sets upright, resizes the shorter side, and cuts the center: uint8 (crop, crop, 3)."""
    image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    scale = resize / min(image.size)
    size = [round(side * scale) for side in image.size]
    # Color by color, as floating-point numbers: in an RGB image, Pillow would round between rows and columns.
    colors = [np.asarray(color.convert("F").resize(size, Image.BILINEAR)) for color in image.split()]
    pixels = np.rint(np.stack(colors, axis=-1)).astype(np.uint8)
    # MediaPipe takes no views.
    return np.ascontiguousarray(central(central(pixels, resize), crop))


def central(pixels, size):
    """The central square; where a margin is odd, a pixel nearer to the top and left."""
    top, left = ((side - size) // 2 for side in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]


def best(probabilities, labels):
    """The (label, probability) of the best classes, best first."""
    return [(labels[index], probabilities[index]) for index in np.argsort(probabilities)[::-1][:TOP]]


def print_labels(files, manifest, answer):
    """Prints "file<TAB>label<TAB>score" for the labels that `answer` gives for each file's pixels.

    What is no image is "invalid".
    """
    for file in files:
        if not pathlib.Path(file).is_file():
            sys.exit(f"error: {file} is no file")
        try:
            pixels = prepare(file, manifest["resize"], manifest["crop"])
        except UNREADABLE:
            print(f"{file}\tinvalid\t{0:.6f}")
            continue
        for label, score in answer(pixels):
            print(f"{file}\t{label}\t{score:.6f}")
