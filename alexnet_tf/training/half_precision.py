"""Whether this process can train in half precision."""

import keras
import tensorflow as tf

from alexnet_tf.errors import UserError


def check(precision: str) -> None:
    """Computes something in a precision, so that a device that cannot is noticed before a run begins.

    TensorFlow asks the CPU for its half-precision instructions. With `ONEDNN_MAX_CPU_ISA`, oneDNN may not use them, and
    fails; without such instructions, TensorFlow does not call it.

    Args:
        precision: as in a recipe.

    Raises:
        UserError: if the device cannot compute in it.
    """
    dtype = keras.DTypePolicy(precision).compute_dtype
    if dtype == "float32":
        return
    try:
        _convolve(dtype)
    except tf.errors.OpError as error:
        reason = " ".join(error.message.split())[:200]
        raise UserError(
            f"precision must be one that the device can compute in, got {precision}: {reason}. "
            "Try float32, or unset ONEDNN_MAX_CPU_ISA if it is set"
        ) from None


def _convolve(dtype: str) -> None:
    convolution = tf.function(lambda x: tf.nn.conv2d(x, x, 1, "SAME"), autograph=False, jit_compile=False)
    convolution(tf.ones([4, 4, 4, 4], dtype))
