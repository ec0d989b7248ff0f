"""Quantization to 8-bit convolutions and 4-bit dense layers; needs the extra `int4`."""

import contextlib
import io
from collections.abc import Sequence

# Weights that share a scale: the fewest that LiteRT's fast kernels support, for the least error.
BLOCK = 32


def quantize(content: bytes, dense_inputs: Sequence[int]) -> bytes:
    """Quantizes the weights of a float32 TFLite file; activations stay in float, as in `tflite_int8`.

    Convolutions keep 8 bits: LiteRT has only a slow kernel for fewer, and they are a small part of the file.

    Args:
        content: the file, without metadata.
        dense_inputs: number of inputs of each dense layer. If one is no multiple of 32, all dense layers have one scale
            for each unit, which loses more.
    """
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

    blockwise = all(inputs % BLOCK == 0 for inputs in dense_inputs)
    granularity = QuantGranularity.BLOCKWISE_32 if blockwise else QuantGranularity.CHANNELWISE
    quantization = quantizer.Quantizer(bytearray(content))
    quantization.add_dynamic_config(".*", TFLOperationName.CONV_2D, 8, QuantGranularity.CHANNELWISE)
    quantization.add_dynamic_config(".*", TFLOperationName.FULLY_CONNECTED, 4, granularity)
    with contextlib.redirect_stdout(io.StringIO()):  # It prints sizes.
        return bytes(quantization.quantize().quantized_model)
