"""The dtype policy that a network is built with."""

import contextlib
from collections.abc import Iterator

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@contextlib.contextmanager
def policy(precision: str) -> Iterator[None]:
    """Within the context, new layers get that Keras policy: they compute in it, with variables in float32."""
    import keras  # Here, because the names above are also read where Keras is not needed.

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
