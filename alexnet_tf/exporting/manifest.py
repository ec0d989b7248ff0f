"""Writes `manifest.json`, the description of an export for programs; `alexnet_tf.inference.manifest` reads it."""

import importlib.metadata
import pathlib
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from alexnet_tf.data import decoding
from alexnet_tf.inference.integrity import files_below, sha256_of
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.manifest import CARD, MANIFEST, TEST_IMAGE
from alexnet_tf.inference.predictor import InputPreprocessing, Predictor

TOP = 5

_PACKAGES = ("alexnet-tf", "tensorflow", "keras", "ai-edge-litert", "numpy")


def manifest_fields(
    predictor: KerasPredictor,
    parity: list[dict[str, Any]],
    images: int,
    recommended: str | None,
    signatures: dict[str, Any],
    about: dict[str, Any],
    directory: pathlib.Path,
) -> dict[str, Any]:
    """The fields of a manifest.

    Args:
        predictor: the network.
        parity: the fields of the `Parity` of each format.
        images: number of images that they were compared on.
        recommended: the TFLite file for apps, if there is one.
        signatures: tensor names of the SavedModel, if there is one.
        about: facts about the training.
        directory: the export, whose test image and exported files are written already.
    """
    sizes = predictor.preprocessing
    return {
        "preset": predictor.model.name.removeprefix("alexnet_"),
        "parameters": predictor.model.count_params(),
        "classes": list(predictor.class_names),
        "resize": sizes.resize,
        "crop": sizes.crop,
        "preprocessing": _preprocessing_steps(sizes),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES}
        | {"python": platform.python_version(), "machine": platform.machine()},
        "about": about,
        **({"signatures": signatures} if signatures else {}),
        "parity_images": images,
        "parity": parity,
        **({"recommended_tflite": recommended} if recommended else {}),
        "test": expected_prediction(predictor, (directory / TEST_IMAGE).read_bytes()),
        "files": file_entries(directory),
    }


def _preprocessing_steps(sizes: InputPreprocessing) -> dict[str, str]:
    return {
        "1 decode": "JPEG, PNG, GIF (first frame) or BMP to RGB, uint8, 0 to 255, transparency dropped; a JPEG rotated "
        f"as its EXIF orientation says; at most {decoding.MAX_PIXELS} pixels, sides within 1:{decoding.MAX_ASPECT}",
        "2 resize": f"the shorter side to {sizes.resize} pixels, the other in proportion, both rounded; bilinear with "
        "anti-aliasing (a triangle filter as wide as the reduction), half-pixel centers; rounded to uint8",
        "3 crop": f"the central {sizes.resize} by {sizes.resize}, and of that the central {sizes.crop} by "
        f"{sizes.crop}; where a margin is odd, one pixel nearer to the top and left",
        "4 mean": "subtracted inside every exported file, which take uint8",
    }


def labels_text(class_names: Sequence[str]) -> str:
    """The text of `labels.txt`: one class name a line, in the order of the outputs."""
    return "\n".join(class_names) + "\n"


def expected_prediction(predictor: Predictor, encoded: bytes) -> dict[str, Any]:
    """The best classes of the test image, given as the bytes of its file."""
    probabilities = predictor.predict(encoded)
    best = np.argsort(probabilities)[::-1][:TOP]
    return {
        "image": TEST_IMAGE,
        "labels": [predictor.class_names[index] for index in best],
        "probabilities": [float(probabilities[index]) for index in best],
    }


def file_entries(directory: pathlib.Path) -> dict[str, dict[str, str | int]]:
    """{path inside the directory: its hash and size} of all files but the manifest and the model card."""
    return {
        name: {"sha256": sha256_of(file), "bytes": file.stat().st_size}
        for name, file in files_below(directory).items()
        if name not in (MANIFEST, CARD)
    }
