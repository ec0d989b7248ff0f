"""Converts a classifier to an ONNX file; needs the extra `onnx`."""

import json
import logging

import tensorflow as tf

# The newest that tf2onnx writes without a warning, and old enough for every runtime in use.
OPSET = 17


def convert(classifier):
    """The bytes of an ONNX file: input `image` uint8 (batch, crop, crop, 3), outputs `probabilities` and `logits`.

    Its metadata hold `labels`, a JSON list, and `resize` and `crop` in pixels.
    """
    import onnx
    import tf2onnx

    spec = classifier.image_spec(None)
    function = tf.function(
        lambda image: classifier.layers(image, "probabilities", "logits"), input_signature=[spec], jit_compile=False
    )
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    model, _ = tf2onnx.convert.from_function(function, input_signature=[spec], opset=OPSET)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    sizes = {"resize": str(classifier.resize), "crop": str(classifier.crop)}
    onnx.helper.set_model_props(model, {"labels": json.dumps(classifier.class_names), **sizes})
    onnx.checker.check_model(model)
    return model.SerializeToString()
