"""What lies beside the exported files: `manifest.json`, for programs, and `model_card.md`, for people."""

import hashlib
import importlib.metadata
import json
import pathlib
import platform

import numpy as np
import tensorflow as tf

from alexnet_tf.data import decoding

MANIFEST, CARD, LABELS, TEST_IMAGE = "manifest.json", "model_card.md", "labels.txt", "test_image.png"
TOP = 5

_PACKAGES = ("alexnet-tf", "tensorflow", "keras", "ai-edge-litert", "numpy")


def describe(classifier, preset, about):
    """The part of a manifest that is known before anything is exported.

    Args:
        classifier: `Classifier`.
        preset: name of the network.
        about: dictionary with what is known of the training, kept as it is.
    """
    return {
        "preset": preset,
        "classes": list(classifier.class_names),
        "resize": classifier.resize,
        "crop": classifier.crop,
        "preprocessing": {
            "1 decode": "JPEG, PNG, GIF (first frame) or BMP to RGB, uint8, 0 to 255, transparency dropped; a JPEG set "
            f"upright by EXIF's orientation; at most {decoding.MAX_PIXELS} pixels, sides within 1:{decoding.MAX_ASPECT}",
            "2 resize": f"the shorter side to {classifier.resize} pixels, the other in proportion, both rounded; "
            "bilinear with anti-aliasing (a triangle filter as wide as the reduction), half-pixel centers; rounded to "
            "uint8",
            "3 crop": f"the central {classifier.resize} by {classifier.resize}, and of that the central "
            f"{classifier.crop} by {classifier.crop}; where a margin is odd, a pixel nearer to the top and left",
            "4 mean": "subtracted inside every exported file, which take uint8",
        },
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES}
        | {"python": platform.python_version(), "machine": platform.machine()},
        "about": about,
    }


def labels(class_names):
    """The text of `labels.txt`: one class name a line, in the order of the outputs."""
    return "\n".join(class_names) + "\n"


def test_of(runner, pixels):
    """The manifest's own test: an image, as a PNG file's bytes, and the answer that is expected."""
    encoded = tf.io.encode_png(pixels).numpy()
    return encoded, {"image": TEST_IMAGE, **best(runner.classify(encoded), runner.class_names)}


def best(probabilities, class_names):
    """The labels and probabilities of the best classes."""
    order = np.argsort(probabilities)[::-1][:TOP]
    return {
        "labels": [class_names[index] for index in order],
        "probabilities": [float(probabilities[index]) for index in order],
    }


def hashes(directory):
    """{path below the directory: {"sha256", "bytes"}} of all files but the manifest and the card."""
    found = {}
    for file in sorted(pathlib.Path(directory).rglob("*")):
        name = file.relative_to(directory).as_posix()
        if file.is_file() and name not in (MANIFEST, CARD):
            data = file.read_bytes()
            found[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return found


def read(directory):
    """The manifest of an export.

    Raises:
        ValueError: if there is none, or it is not one that `export` wrote.
    """
    file = pathlib.Path(directory) / MANIFEST
    try:
        manifest = json.loads(file.read_text())
        manifest["parity"], manifest["crop"], manifest["classes"]  # noqa: B018 - whether they are there
    except FileNotFoundError as error:
        raise ValueError(f"{str(directory)!r} must hold an export's {MANIFEST}. Received: none") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(file)!r} is not a manifest that alexnet-tf export wrote") from error
    return manifest


def card(manifest):
    """The model card's text, Markdown."""
    about = manifest["about"]
    rows = "\n".join(
        f"| {row['format']} | {row['megabytes']:.1f} | {row['relative_error']:.1e} | {row['top1_agreement']:.1%} | "
        f"{row['milliseconds']:.0f} |"
        for row in manifest["parity"]
    )
    steps = "\n".join(f"{name}: {text}.  " for name, text in manifest["preprocessing"].items())
    known = "\n".join(f"- {name}: {value}" for name, value in about.items()) or "- nothing was recorded"
    classes = manifest["classes"]
    return f"""# AlexNet, preset {manifest["preset"]}

The network of Krizhevsky, Sutskever and Hinton (2012), exported by alexnet-tf
{manifest["versions"]["alexnet-tf"]}. It names one of {len(classes)} classes for an RGB photograph:
{", ".join(classes[:10])}{" …" if len(classes) > 10 else ""}.

## Training and error

{known}

## Preprocessing

{steps}

## Files

| format | MB | largest relative error against Keras | same first label | ms an image |
|---|---|---|---|---|
{rows}

Compared on {manifest["images"]} images of the validation split, timed where they were exported.
`alexnet-tf verify` repeats the test with `{TEST_IMAGE}` on another machine.

## License and limits

The code is under Apache-2.0. The license of the weights follows from the data that they
were trained on, which is for you to check. The network always answers with one of its
classes, also for images that show none of them; its probabilities are not calibrated; and
it knows no more than its training set, with that set's gaps and prejudices.
"""
