"""Conversion to ONNX; needs the extra `onnx`."""

import json
import logging
from collections.abc import Mapping

import keras
import tensorflow as tf

from alexnet_tf.exporting.lowerings import ONNX
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.models.lowering import lowered
from alexnet_tf.stderr_filter import LOG_LINES, without_stderr_lines

# The newest that tf2onnx writes without a warning, and old enough for every runtime in use.
OPSET = 17


def convert(predictor: KerasPredictor, lowerings: Mapping[str, str] = ONNX) -> bytes:
    """Converts a network to the bytes of an ONNX file.

    Its input is `image` uint8 (batch, crop, crop, 3), its outputs are `probabilities` and `logits` float32
    (batch, classes). Its metadata have `labels`, a JSON list, and `resize` and `crop` in pixels.

    Args:
        predictor: the network.
        lowerings: of its layers, as for `lowered`.
    """
    import onnx
    import tf2onnx

    # Every optimization of tf2onnx copies all constants and frees none: 11 GB for the paper's network. So it sees the
    # large ones as inputs, which become constants afterwards.
    kernels = [layer.kernel for layer in predictor.model.layers if isinstance(layer, keras.layers.Dense)]
    specs = [tf.TensorSpec(kernel.shape, kernel.dtype, f"kernel{i}") for i, kernel in enumerate(kernels)]
    signature = [predictor.image_spec(None), *specs]

    @tf.function(input_signature=signature, jit_compile=False)
    def function(image: tf.Tensor, *values: tf.Tensor) -> dict[str, tf.Tensor]:
        with keras.StatelessScope(list(zip(kernels, values, strict=True))):
            return predictor.layers(image, ["probabilities", "logits"])

    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    with lowered(predictor.model, **lowerings), without_stderr_lines(LOG_LINES):
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    del model.graph.input[1:]
    for spec, kernel in zip(specs, kernels, strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(kernel.numpy(), spec.name))
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    sizes = {"resize": str(predictor.preprocessing.resize), "crop": str(predictor.preprocessing.crop)}
    onnx.helper.set_model_props(model, {"labels": json.dumps(predictor.class_names), **sizes})
    onnx.checker.check_model(model)
    return model.SerializeToString()
