"""How the layers are lowered for each runtime: the operations that it was measured to compute fastest.

The keyword arguments of `alexnet_tf.models.lowering.lowered`. The layers keep their variables and results.
"""

# oneDNN and ONNX Runtime compute a convolution with a band matrix faster than their LRN, and roots faster than powers.
TENSORFLOW = ONNX = {"LocalResponseNormalization": "band", "SpatialNormalization": "roots"}
# Separate towers would slice their kernel again at every call.
_GROUPED = {"GroupedConv2D": "grouped"}
# XNNPACK has no LRN and no powers. As slices, LRN has no kernel that could be quantized.
TFLITE = {**_GROUPED, "LocalResponseNormalization": "slices", "SpatialNormalization": "roots"}
# XNNPACK has no roots of integers. LRN as one operation stays in float.
TFLITE_INTEGERS = _GROUPED
