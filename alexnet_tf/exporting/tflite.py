"""Conversion to TensorFlow Lite, with the preprocessing of pixels inside."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.exporting import int4, tflite_metadata
from alexnet_tf.exporting.lowerings import TFLITE, TFLITE_INTEGERS
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.models.layers import SpatialNormalization
from alexnet_tf.models.lowering import lowered
from alexnet_tf.stderr_filter import LOG_LINES, without_stderr_lines

_OPTIMIZED = [tf.lite.Optimize.DEFAULT]
# Integers where TensorFlow Lite has them; LRN stays in float.
_INTEGERS = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
_SETTINGS: dict[str, dict[str, Any]] = {
    "tflite": {},
    "tflite_float16": {"optimizations": _OPTIMIZED, "supported_types": [tf.float16]},
    "tflite_int8": {"optimizations": _OPTIMIZED},
    "tflite_int4": {},  # Quantized afterwards.
    "tflite_full_int8": {"optimizations": _OPTIMIZED, "supported_ops": _INTEGERS},
}
# Spatial normalization stays in float too: in steps of 1/255 of the largest square, small mean squares would be 0.
_SPATIAL_NORMALIZATION = ["PAD", "AVERAGE_POOL_2D", "MUL", "ADD"]


def convert(predictor: KerasPredictor, name: str, calibration: npt.NDArray[np.uint8] | None = None) -> bytes:
    """Converts a network to the bytes of a TFLite file.

    Its input is `image` uint8 (1, crop, crop, 3), its output the probabilities, float32 (1, classes). Its metadata have
    names and labels.

    Args:
        predictor: the network.
        name: `tflite`, `tflite_float16`, `tflite_int8`, which quantizes weights and keeps activations in float,
            `tflite_int4`, which does so with 4 bits in dense layers, or `tflite_full_int8`, which quantizes both.
        calibration: uint8 (images, crop, crop, 3), real images from which `tflite_full_int8` takes the ranges of
            activations.
    """
    settings = _SETTINGS[name]
    with lowered(predictor.model, **(TFLITE_INTEGERS if "supported_ops" in settings else TFLITE)):
        function = tf.function(lambda image: predictor.probabilities(image), jit_compile=False)
        concrete = function.get_concrete_function(predictor.image_spec(1))
    holder = tf.Module()  # The converter does not find the variables of a Keras model.
    holder.variables_of_model = [variable.value for variable in predictor.model.variables]
    # The converter prints these at every call, whatever the log level.
    with without_stderr_lines(f"fully_quantize: |INFO: |{LOG_LINES}"):
        # Announced to leave TensorFlow, but without a successor: Keras' export(format="litert") calls it too (3.15),
        # and the converter in ai-edge-litert takes models of JAX and PyTorch only (2.3). Switch when Keras or LiteRT
        # converts a `tf.function` without `tf.lite`.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder)
        converter.optimizations = settings.get("optimizations", [])
        converter.target_spec.supported_types = settings.get("supported_types", [])
        if "supported_ops" in settings:
            converter.target_spec.supported_ops = settings["supported_ops"]
            converter.representative_dataset = lambda: _calibration_inputs(calibration)
            content = _convert_to_integers(converter, predictor.model)
        else:
            content = converter.convert()
    if name == "tflite_int4":
        dense = (layer for layer in predictor.model.layers if isinstance(layer, keras.layers.Dense))
        content = int4.quantize(content, [layer.kernel.shape[0] for layer in dense])
    return tflite_metadata.add(content, predictor)


def _convert_to_integers(converter: tf.lite.TFLiteConverter, model: keras.Model) -> bytes:
    if not any(isinstance(layer, SpatialNormalization) for layer in model.layers):
        return converter.convert()
    # TensorFlow's way to exclude operations is its debugger, which converts twice.
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=converter.representative_dataset,
        debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=_SPATIAL_NORMALIZATION),
    )
    return debugger.get_nondebug_quantized_model()


def _calibration_inputs(images: npt.NDArray[np.uint8] | None) -> Iterator[list[npt.NDArray[np.uint8]]]:
    for image in () if images is None else images:
        yield [image[None]]
