"""XLA where it works: it lacks some devices, such as those of Apple's Metal plug-in, and some new GPUs."""

import functools
from collections.abc import Callable

import tensorflow as tf

from alexnet_tf.stderr_filter import LOG_LINES, without_stderr_lines


@functools.cache
def why_unavailable() -> str:
    """Why XLA cannot compile in this process; empty if it can. Tried once."""
    try:
        with without_stderr_lines(LOG_LINES):  # XLA logs its first compilation.
            _compile_something()
    except Exception as error:  # Plug-ins of devices raise errors of many classes.
        return " ".join(str(error).split())[:200] or type(error).__name__
    return ""


def compiled(function: Callable) -> Callable:
    """A function compiled with XLA where that works; otherwise the function itself."""
    return function if why_unavailable() else tf.function(function, autograph=False, jit_compile=True)


def _compile_something() -> None:
    double = tf.function(lambda x: tf.reduce_sum(2 * x), autograph=False, jit_compile=True)
    double(tf.ones([4, 4])).numpy()
