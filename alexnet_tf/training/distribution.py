"""Which devices train."""

import tensorflow as tf


def make_strategy(name):
    """The `tf.distribute` strategy for `"auto"`, `"none"` or `"mirrored"`.

    `"mirrored"` uses every local GPU, or every logical CPU where there is none; `"auto"` does so with two or more
    GPUs and otherwise uses one device.

    Raises:
        ValueError: on another name.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "none" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    if name in ("auto", "mirrored"):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    raise ValueError(f"strategy must be auto, none or mirrored. Received: strategy={name!r}")
