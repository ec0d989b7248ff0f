"""The formats of an export: file names, error bounds, and how each is written and opened."""

import dataclasses
import functools
import importlib.util
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError
from alexnet_tf.exporting import onnx, saved_model, tflite
from alexnet_tf.inference.exported import SAVED_MODEL, OnnxPredictor, SavedModelPredictor, TFLitePredictor
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.inference.predictor import InputPreprocessing, Predictor


@dataclasses.dataclass(frozen=True)
class Options:
    """What some formats need besides the network.

    Attributes:
        calibration: uint8 (images, crop, crop, 3), training images from which `tflite_full_int8` takes the ranges of
            activations.
        ten_views: whether the SavedModel gets a signature for the paper's ten views.
    """

    calibration: npt.NDArray[np.uint8]
    ten_views: bool = False


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        file: its file or directory inside the export.
        bound: largest allowed error of a probability, relative to the largest probability of the image.
        write: writes the network to a path.
        open: makes a `Predictor` of a path, class names and preprocessing.
        packages: what writing needs besides this package's requirements.
        extra: the extra that installs them.
        default: whether an export has it unless formats are given.
    """

    file: str
    bound: float
    write: Callable[[KerasPredictor, pathlib.Path, Options], None]
    open: Callable[[pathlib.Path, Sequence[str], InputPreprocessing], Predictor]
    packages: tuple[str, ...] = ()
    extra: str = ""
    default: bool = True


def _write_tflite(predictor: KerasPredictor, path: pathlib.Path, options: Options, name: str) -> None:
    path.write_bytes(tflite.convert(predictor, name, options.calibration))


def _write_saved_model(predictor: KerasPredictor, path: pathlib.Path, options: Options) -> None:
    saved_model.write(predictor, path, options.ten_views)


def _write_onnx(predictor: KerasPredictor, path: pathlib.Path, options: Options) -> None:
    path.write_bytes(onnx.convert(predictor))


def _tflite(name: str, bound: float, packages: tuple[str, ...] = (), extra: str = "", default: bool = True) -> Format:
    write = functools.partial(_write_tflite, name=name)
    file = f"{name.replace('tflite', 'model')}.tflite"
    return Format(file, bound, write, TFLitePredictor, packages, extra, default)


FORMATS = {
    "saved_model": Format(SAVED_MODEL, 1e-4, _write_saved_model, SavedModelPredictor),
    "tflite": _tflite("tflite", 1e-4),
    "tflite_float16": _tflite("tflite_float16", 2e-2),
    "tflite_int8": _tflite("tflite_int8", 2e-1),
    "tflite_int4": _tflite("tflite_int4", 4e-1, ("ai_edge_quantizer",), "int4", default=False),
    # Not a default: very narrow networks lose too much accuracy with integer activations to stay within the bound.
    "tflite_full_int8": _tflite("tflite_full_int8", 4e-1, default=False),
    "onnx": Format(
        "model.onnx", 1e-4, _write_onnx, OnnxPredictor, ("tf2onnx", "onnx", "onnxruntime"), "onnx",
        default=False,
    ),
}  # fmt: skip
DEFAULT_FORMATS = tuple(name for name, form in FORMATS.items() if form.default)


def check_formats(formats: Sequence[str]) -> None:
    """Raises UserError for a format that is unknown or whose packages are not installed."""
    if not formats or not set(formats) <= set(FORMATS):
        raise UserError(f"formats must be some of {', '.join(FORMATS)}, got {', '.join(formats) or 'none'}")
    for name in formats:
        missing = [package for package in FORMATS[name].packages if importlib.util.find_spec(package) is None]
        if missing:
            raise UserError(
                f"formats={name} needs {', '.join(missing)}: pip install 'alexnet-tf[{FORMATS[name].extra}]'"
            )
