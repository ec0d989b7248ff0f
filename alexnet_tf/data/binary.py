"""Reading numbers from a file's bytes in a graph."""

import tensorflow as tf

# Decorates a function of a scalar string that is seldom called: inlined into the graphs around it, its operations would
# cost time even where they do not run.
seldom_called = tf.function(
    input_signature=[tf.TensorSpec([], tf.string)], autograph=False, experimental_attributes={"_noinline": True}
)


def bytes_at(data: tf.Tensor, start: tf.Tensor | int, count: int) -> tf.Tensor:
    """The bytes of a scalar string from `start` on as int64 (count,); zeros where there are none."""
    start = tf.minimum(tf.cast(start, tf.int64), tf.cast(tf.strings.length(data), tf.int64))
    part = tf.strings.substr(data, start, tf.constant(count, tf.int64))
    values = tf.io.decode_raw(part, tf.uint8, fixed_length=count)
    values.set_shape([count])
    return tf.cast(values, tf.int64)


def number(values: tf.Tensor, little_endian: tf.Tensor | bool = False) -> tf.Tensor:
    """The unsigned number that the last axis of int64 bytes (…, count) makes up: int64 (…)."""
    ascending = [256**i for i in range(values.shape[-1])]
    if isinstance(little_endian, bool):  # Known, so it costs no operation.
        weights = ascending if little_endian else ascending[::-1]
    else:
        weights = tf.where(little_endian, tf.constant(ascending, tf.int64), tf.constant(ascending[::-1], tf.int64))
    return tf.reduce_sum(values * weights, axis=-1)


def occurrences(data: tf.Tensor, pattern: bytes, at_most: int) -> tf.Tensor:
    """How often `pattern` is in a scalar string, counted up to `at_most`: int32."""
    # The raw operation: `tf.strings.split` adds a ragged tensor around it. Regular expressions know no single bytes.
    parts = tf.raw_ops.StringSplitV2(input=[data], sep=pattern, maxsplit=at_most)
    return tf.shape(parts.values)[0] - 1
