"""Imports TensorFlow quietly. Commands need this before anything else that imports TensorFlow."""

from alexnet_tf.stderr_filter import import_tensorflow

tf = import_tensorflow()
