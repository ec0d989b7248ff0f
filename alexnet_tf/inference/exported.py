"""Predictors of exported files: SavedModel, TFLite and ONNX."""

import abc
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf import storage
from alexnet_tf.errors import UserError
from alexnet_tf.inference.integrity import check_file, check_files
from alexnet_tf.inference.manifest import read_manifest
from alexnet_tf.inference.predictor import InputPreprocessing, Predictor
from alexnet_tf.stderr_filter import without_stderr_lines

SAVED_MODEL = "saved_model"
# LiteRT takes one thread unless told otherwise, and more than eight do not help with one image.
_THREADS = min(os.cpu_count() or 1, 8)


class _ExportPredictor(Predictor):
    """A predictor of a file whose input and output must be as the manifest beside it says."""

    def _check_sizes(
        self, image: Sequence[int | str | None], dtype: str, probabilities: Sequence[int | str | None]
    ) -> None:
        """Checks shape and dtype of the file's input, and the shape of its output.

        Raises:
            UserError: if they are not uint8 (batch, crop, crop, 3) and (batch, classes).
        """
        crop, classes = self.preprocessing.crop, len(self.class_names)
        if [*image[1:], dtype, *probabilities[1:]] != [crop, crop, 3, "uint8", classes]:
            raise UserError(
                f"{self.name!r} must take uint8 images (batch, {crop}, {crop}, 3) and give probabilities (batch, "
                f"{classes}), as its manifest says, got {dtype} {tuple(image)} and {tuple(probabilities)}"
            )


class SavedModelPredictor(_ExportPredictor):
    """Labels images with an exported SavedModel.

    Args:
        path: directory of the SavedModel.
        class_names, preprocessing: as for `Predictor`.

    Raises:
        UserError: if the directory is not a SavedModel of an export, or of other sizes.
    """

    def __init__(self, path: pathlib.Path, class_names: Sequence[str], preprocessing: InputPreprocessing) -> None:
        super().__init__(str(path), class_names, preprocessing)
        try:
            self._loaded = tf.saved_model.load(self.name)  # Its functions do not keep their variables alive.
            signatures = {key: self._loaded.signatures[key] for key in ("features", "pixels")}
            image = signatures["pixels"].structured_input_signature[1]["image"]
            image_shape, dtype = image.shape.as_list(), image.dtype.name
            shape = signatures["pixels"].structured_outputs["probabilities"].shape.as_list()
        except Exception as error:  # A damaged file raises whatever the code that meets it first raises.
            raise UserError(f"model must be a SavedModel of an export, got {self.name!r}: {error!s:.300}") from error
        self._check_sizes(image_shape, dtype, shape)
        self._signatures = {
            output: signature for signature in signatures.values() for output in sorted(signature.structured_outputs)
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


class _RuntimePredictor(_ExportPredictor):
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
                self._interpreter = Interpreter(self.name, num_threads=_THREADS)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"model must be a TFLite file, got {self.name!r}: {error!s:.300}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UserError(f"{self.name!r} must have one input and one output, got {len(inputs)} and {len(outputs)}")
        self._check_sizes(inputs[0]["shape"].tolist(), inputs[0]["dtype"].__name__, outputs[0]["shape"].tolist())
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

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
            raise UserError(f"model must be an ONNX file, got {self.name!r}: {error!s:.300}") from error
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        if set(inputs) != {"image"} or "probabilities" not in outputs:
            raise UserError(
                f"{self.name!r} must have the input image and the output probabilities, got {', '.join(inputs)} and "
                f"{', '.join(outputs)}"
            )
        dtype = inputs["image"].type.removeprefix("tensor(").rstrip(")")
        self._check_sizes(inputs["image"].shape, dtype, outputs["probabilities"].shape)

    def _run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._session.run(["probabilities"], {"image": images})[0]


_PREDICTORS = {".tflite": TFLitePredictor, ".onnx": OnnxPredictor}


def open_export(path: str | os.PathLike) -> Predictor:
    """Opens an export's directory, its SavedModel's directory, or one of its TFLite or ONNX files.

    What is opened is first compared with the sums in the export's manifest, so that no runtime meets a damaged file.

    Raises:
        UserError: if it is none of these, or is damaged, or the manifest of the export is missing or invalid.
    """
    storage.check_no_globs("model", path)
    path = pathlib.Path(path)
    if path.suffix in _PREDICTORS and path.is_file():
        manifest = read_manifest(path.parent)
        check_file(path, manifest.sha256.values())
        return _PREDICTORS[path.suffix](path, manifest.class_names, manifest.preprocessing)
    for directory in (path / SAVED_MODEL, path):
        if (directory / "saved_model.pb").is_file():
            manifest = read_manifest(directory.parent)
            check_files(directory, _below(SAVED_MODEL, manifest.sha256))
            predictor = SavedModelPredictor(directory, manifest.class_names, manifest.preprocessing)
            predictor.name = str(path)  # As the user knows it.
            return predictor
    raise UserError(
        "model must be the workdir of a run, an export with a SavedModel, a .tflite or .onnx file of an export, a "
        f"weight file, 'imagenet' or 'cifar10', got {str(path)!r}"
    )


def _below(directory: str, sha256: Mapping[str, str]) -> dict[str, str]:
    """The sums of the files below a directory, by their paths inside it."""
    prefix = f"{directory}/"
    return {name.removeprefix(prefix): digest for name, digest in sha256.items() if name.startswith(prefix)}
