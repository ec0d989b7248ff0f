"""What the programs in this directory share: preprocessing of photographs and printing of labels.

Needs NumPy and Pillow.
"""

import json
import pathlib
import sys
import zipfile

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

TOP = 5

# What the SavedModel reads; Pillow knows dozens more.
FORMATS = ("JPEG", "PNG", "GIF", "BMP")

# What Pillow raises for a file that is not an image, is truncated, or claims to be enormous.
UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def find_tflite(path):
    """The path of a TFLite file; for the directory of an export, of the file that the manifest recommends."""
    directory = pathlib.Path(path)
    if not directory.is_dir():
        return path
    try:
        file = directory / json.loads((directory / "manifest.json").read_text())["recommended_tflite"]
    except (OSError, ValueError, KeyError):
        sys.exit(f"error: {path}: no manifest.json that recommends a TFLite file")
    print(f"using {file}", file=sys.stderr)
    return str(file)


def read_tflite_metadata(model):
    """The labels of an exported TFLite file, and the sizes of its preprocessing: {"resize", "crop"} in pixels.

    Both are in the file's own metadata, which are a zip archive behind the model.
    """
    try:
        with zipfile.ZipFile(model) as archive:
            return archive.read("labels.txt").decode().splitlines(), json.loads(archive.read("preprocessing.json"))
    except OSError as error:
        sys.exit(f"error: {model}: {error.strerror}")
    except (zipfile.BadZipFile, KeyError):
        sys.exit(f"error: {model}: no metadata of alexnet-tf export")


def prepare(file, resize, crop):
    """Decodes, applies EXIF's orientation, resizes the shorter side, and cuts the center: uint8 (crop, crop, 3)."""
    image = ImageOps.exif_transpose(Image.open(file, formats=FORMATS)).convert("RGB")
    scale = resize / min(image.size)
    size = [round(side * scale) for side in image.size]
    # Each channel as floating-point numbers: Pillow would round an RGB image between its two passes.
    channels = [np.asarray(channel.convert("F").resize(size, Image.BILINEAR)) for channel in image.split()]
    pixels = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    # MediaPipe does not accept views.
    return np.ascontiguousarray(central(central(pixels, resize), crop))


def central(pixels, size):
    """The central square; where a margin is odd, one pixel nearer to the top and left."""
    top, left = ((side - size) // 2 for side in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]


def best(probabilities, labels):
    """The (label, probability) of the best classes, best first."""
    return [(labels[index], probabilities[index]) for index in np.argsort(probabilities)[::-1][:TOP]]


def print_labels(files, sizes, predict):
    """Prints "file<TAB>label<TAB>score" for each label that `predict` returns for the pixels of each file.

    The label of an undecodable file is "invalid".

    Args:
        files: paths of image files.
        sizes: {"resize", "crop"} in pixels.
        predict: from uint8 (crop, crop, 3) to pairs of label and score.
    """
    for file in files:
        if not pathlib.Path(file).is_file():
            sys.exit(f"error: {file} is not a file")
        try:
            pixels = prepare(file, sizes["resize"], sizes["crop"])
        except UNREADABLE:
            print(f"{file}\tinvalid\t{0:.6f}")
            continue
        for label, score in predict(pixels):
            print(f"{file}\t{label}\t{score:.6f}")
