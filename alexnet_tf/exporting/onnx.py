"""Conversion to ONNX; needs the extra `onnx`."""

import json
import logging

import tensorflow as tf

from alexnet_tf.exporting.lowerings import ONNX
from alexnet_tf.inference.keras_predictor import KerasPredictor
from alexnet_tf.models.lowering import lowered

# The newest that tf2onnx writes without a warning, and old enough for every runtime in use.
OPSET = 17


def convert(predictor: KerasPredictor) -> bytes:
    """Converts a network to the bytes of an ONNX file.

    Its input is `image` uint8 (batch, crop, crop, 3), its outputs are `probabilities` and `logits` float32
    (batch, classes). Its metadata have `labels`, a JSON list, and `resize` and `crop` in pixels.
    """
    import onnx
    import tf2onnx

    spec = predictor.image_spec(None)
    function = tf.function(
        lambda image: predictor.layers(image, ["probabilities", "logits"]), input_signature=[spec], jit_compile=False
    )
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    with lowered(predictor.model, **ONNX):
        model, _ = tf2onnx.convert.from_function(function, input_signature=[spec], opset=OPSET)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    sizes = {"resize": str(predictor.preprocessing.resize), "crop": str(predictor.preprocessing.crop)}
    onnx.helper.set_model_props(model, {"labels": json.dumps(predictor.class_names), **sizes})
    onnx.checker.check_model(model)
    return model.SerializeToString()
