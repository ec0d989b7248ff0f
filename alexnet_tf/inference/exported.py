"""Predictors of exported files: SavedModel, TFLite and ONNX."""

import abc
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.inference.manifest import read_manifest
from alexnet_tf.inference.predictor import InputPreprocessing, Predictor
from alexnet_tf.stderr_filter import without_stderr_lines

SAVED_MODEL = "saved_model"


class SavedModelPredictor(Predictor):
    """Labels images with an exported SavedModel.

    Args:
        path: directory of the SavedModel.
        class_names, preprocessing: as for `Predictor`.
    """

    def __init__(self, path: pathlib.Path, class_names: Sequence[str], preprocessing: InputPreprocessing) -> None:
        super().__init__(str(path), class_names, preprocessing)
        self._loaded = tf.saved_model.load(self.name)  # Its functions do not keep their variables alive.
        self._signatures = {
            output: self._loaded.signatures[key]
            for key in ("features", "pixels")
            for output in sorted(self._loaded.signatures[key].structured_outputs)
        }

    def probabilities(self, images: npt.ArrayLike | tf.Tensor) -> tf.Tensor:
        """See `Predictor.probabilities`."""
        return self.layers(images, ["probabilities"])["probabilities"]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """See `Predictor.layer_names`: `fc7`, `pool5`, `logits` and `probabilities`."""
        return tuple(self._signatures)

    def layers(self, images: npt.ArrayLike | tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
        """See `Predictor.layers`."""
        for name in names:
            self.check_layer(name)
        images = tf.convert_to_tensor(images)
        return {name: self._signatures[name](image=images)[name] for name in names}


class _RuntimePredictor(Predictor):
    """A predictor over another runtime than TensorFlow, which computes with NumPy arrays."""

    @abc.abstractmethod
    def _run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """As `probabilities`, with arrays."""

    def probabilities(self, images: npt.ArrayLike | tf.Tensor) -> tf.Tensor:
        """See `Predictor.probabilities`."""
        probabilities = tf.numpy_function(self._run, [images], tf.float32)
        return tf.ensure_shape(probabilities, [None, len(self.class_names)])


class TFLitePredictor(_RuntimePredictor):
    """Labels images with an exported TFLite file, one at a time.

    Args:
        path: the file.
        class_names, preprocessing: as for `Predictor`.

    Raises:
        UserError: if the file is not TFLite.
    """

    def __init__(self, path: pathlib.Path, class_names: Sequence[str], preprocessing: InputPreprocessing) -> None:
        from ai_edge_litert.interpreter import Interpreter

        super().__init__(str(path), class_names, preprocessing)
        try:
            with without_stderr_lines("INFO: "):
                self._interpreter = Interpreter(self.name)
                self._interpreter.allocate_tensors()
        except ValueError as error:
            raise UserError(f"model must be a TFLite file, got {self.name!r}: {error}") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def _run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        probabilities = np.empty([len(images), len(self.class_names)], np.float32)
        for image, row in zip(images, probabilities, strict=True):
            self._interpreter.set_tensor(self._input, image[None])
            self._interpreter.invoke()
            row[:] = self._interpreter.get_tensor(self._output)[0]
        return probabilities


class OnnxPredictor(_RuntimePredictor):
    """Labels images with an exported ONNX file on the CPU; needs the extra `onnx`.

    Args:
        path: the file.
        class_names, preprocessing: as for `Predictor`.

    Raises:
        UserError: if ONNX Runtime is not installed, or the file is not ONNX.
    """

    def __init__(self, path: pathlib.Path, class_names: Sequence[str], preprocessing: InputPreprocessing) -> None:
        super().__init__(str(path), class_names, preprocessing)
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(f"{self.name!r} needs onnxruntime: pip install 'alexnet-tf[onnx]'") from error
        try:
            self._session = onnxruntime.InferenceSession(self.name, providers=["CPUExecutionProvider"])
        except Exception as error:  # Its exceptions have no common class.
            raise UserError(f"model must be an ONNX file, got {self.name!r}: {error}") from error

    def _run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._session.run(["probabilities"], {"image": images})[0]


_PREDICTORS = {".tflite": TFLitePredictor, ".onnx": OnnxPredictor}


def open_export(path: str | os.PathLike) -> Predictor:
    """Opens an export's directory, its SavedModel's directory, or one of its TFLite or ONNX files.

    Raises:
        UserError: if it is none of these, or the manifest of the export is missing or invalid.
    """
    path = pathlib.Path(path)
    if path.suffix in _PREDICTORS and path.is_file():
        manifest = read_manifest(path.parent)
        return _PREDICTORS[path.suffix](path, manifest.class_names, manifest.preprocessing)
    for directory in (path / SAVED_MODEL, path):
        if (directory / "saved_model.pb").is_file():
            manifest = read_manifest(directory.parent)
            predictor = SavedModelPredictor(directory, manifest.class_names, manifest.preprocessing)
            predictor.name = str(path)  # As the user knows it.
            return predictor
    raise UserError(
        "model must be the workdir of a run, an export with a SavedModel, or a .tflite or .onnx file of an export, "
        f"got {str(path)!r}"
    )
