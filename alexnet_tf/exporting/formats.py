"""The formats of an export: where each lies, how it is written and run, and how far it may be off."""

import dataclasses
import importlib.util
from collections.abc import Callable

import numpy as np

from alexnet_tf.exporting import onnx, saved_model, tflite
from alexnet_tf.inference import runners


@dataclasses.dataclass(frozen=True)
class Options:
    """What formats may need besides the classifier.

    Attributes:
        ten_views: whether the SavedModel gets a signature for the paper's ten views.
        calibration: uint8 (count, crop, crop, 3), training images for `tflite_full_int8`.
    """

    ten_views: bool = False
    calibration: np.ndarray = ()


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        file: its file or directory, below the export's directory.
        bound: largest error of a probability, relative to the image's largest, that it may make.
        write: from `Classifier`, path and `Options`; writes it.
        open: from path and manifest to a `Runner`.
        needs: packages that it takes, which an extra of its name installs.
        default: whether an export has it without being asked.
    """

    file: str
    bound: float
    write: Callable
    open: Callable
    needs: tuple = ()
    default: bool = True


def _tflite(kind, bound, **settings):
    def write(classifier, path, options):
        path.write_bytes(tflite.convert(classifier, kind, options.calibration))

    return Format(f"{kind.replace('tflite', 'model')}.tflite", bound, write, runners.tflite_runner, **settings)


def _write_saved_model(classifier, path, options):
    saved_model.write(classifier, path, options.ten_views)


def _write_onnx(classifier, path, options):
    path.write_bytes(onnx.convert(classifier))


FORMATS = {
    "saved_model": Format("saved_model", 1e-4, _write_saved_model, runners.saved_model_runner),
    "tflite": _tflite("tflite", 1e-4),
    "tflite_float16": _tflite("tflite_float16", 2e-2),
    "tflite_int8": _tflite("tflite_int8", 2e-1),
    # Integers throughout need a network with room for them: a very narrow one does not pass.
    "tflite_full_int8": _tflite("tflite_full_int8", 4e-1, default=False),
    "onnx": Format(
        "model.onnx", 1e-4, _write_onnx, runners.onnx_runner, ("tf2onnx", "onnx", "onnxruntime"), default=False
    ),
}  # fmt: skip
DEFAULT_FORMATS = tuple(kind for kind, form in FORMATS.items() if form.default)


def check(formats):
    """Raises ValueError for a format that is not known, or whose packages are not installed."""
    unknown = [kind for kind in formats if kind not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"formats must be some of {', '.join(FORMATS)}. Received: formats={','.join(formats)}")
    for kind in formats:
        missing = [name for name in FORMATS[kind].needs if importlib.util.find_spec(name) is None]
        if missing:
            raise ValueError(f"formats={kind} needs {', '.join(missing)}: pip install 'alexnet-tf[{kind}]'")
