"""One face for a network in memory, a SavedModel, a TFLite file and an ONNX file."""

import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.exporting import manifest
from alexnet_tf.inference.predictor import prepare


class Runner:
    """Labels images.

    Attributes:
        class_names: tuple of str.
        resize, crop: pixels, see `Classifier`.
    """

    def __init__(self, run_pixels, class_names, resize, crop):
        self._run_pixels = run_pixels
        self.class_names, self.resize, self.crop = tuple(class_names), resize, crop

    def classify_pixels(self, pixels):
        """From uint8 (crop, crop, 3) to float32 probabilities (classes,)."""
        return np.asarray(self._run_pixels(np.asarray(pixels)[None]))[0]

    def classify(self, encoded):
        """From an image file's bytes to float32 probabilities (classes,).

        Raises:
            tf.errors.InvalidArgumentError: if the bytes are not an image.
        """
        return self.classify_pixels(prepare(encoded, self.resize, self.crop))


def classifier_runner(classifier):
    """A `Runner` over a `Classifier` in memory."""
    run = tf.function(classifier.probabilities, jit_compile=False, reduce_retracing=True)
    return Runner(run, classifier.class_names, classifier.resize, classifier.crop)


def saved_model_runner(directory, description):
    """A `Runner` over an exported SavedModel."""
    signature = tf.saved_model.load(str(directory)).signatures["pixels"]
    return _described(lambda pixels: signature(image=tf.constant(pixels))["probabilities"], description)


def tflite_runner(file, description):
    """A `Runner` over an exported TFLite file."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(str(file))
    except ValueError as error:
        raise ValueError(f"model cannot be read as a TFLite file: {error}. Received: {str(file)!r}") from error
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(pixels):
        interpreter.set_tensor(source, pixels)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return _described(run, description)


def onnx_runner(file, description):
    """A `Runner` over an exported ONNX file; needs the extra `onnx`."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(f"model needs onnxruntime: pip install 'alexnet-tf[onnx]'. Received: {str(file)!r}") from error
    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # Its exceptions have no common class.
        raise ValueError(f"model cannot be read as an ONNX file: {error}. Received: {str(file)!r}") from error
    return _described(lambda pixels: session.run(["probabilities"], {"image": pixels})[0], description)


def saved_model_of(path):
    """The SavedModel's `pathlib.Path`, given that or the export that it is in; None if there is none."""
    path = pathlib.Path(path)
    return next((found for found in (path / "saved_model", path) if (found / "saved_model.pb").is_file()), None)


_RUNNER_OF_SUFFIX = {".tflite": tflite_runner, ".onnx": onnx_runner}


def open_runner(path):
    """Opens an export's directory, its `saved_model` directory, or one of its TFLite or ONNX files.

    Raises:
        ValueError: if it is none of these, or the manifest beside it is missing.
    """
    path = pathlib.Path(path)
    if path.suffix in _RUNNER_OF_SUFFIX and path.is_file():
        return _RUNNER_OF_SUFFIX[path.suffix](path, manifest.read(path.parent))
    directory = saved_model_of(path)
    if directory:
        return saved_model_runner(directory, manifest.read(directory.parent))
    raise ValueError(
        f"model must be a run's workdir, an exported SavedModel, or a .tflite or .onnx file. Received: {str(path)!r}"
    )


def _described(run, description):
    return Runner(run, description["classes"], description["resize"], description["crop"])
