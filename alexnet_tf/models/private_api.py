"""Private attributes of Keras and TensorFlow that have no public counterpart.

Seen to work with Keras 3.15 and TensorFlow 2.21. Nothing else in this package touches a private attribute of either.
"""

import keras
import tensorflow as tf


def variable_index(optimizer: keras.optimizers.Optimizer, variable: keras.Variable | tf.Variable) -> int:
    """The place of a variable among those that an optimizer was built with; works in a replica's update step."""
    return optimizer._get_variable_index(variable)


def local_variable(variable: keras.Variable) -> tf.Variable:
    """The `tf.Variable` on the current device behind a Keras variable, mirrored or not; works in an update step."""
    value = variable.value
    return value._get() if isinstance(value, tf.distribute.DistributedValues) else value
