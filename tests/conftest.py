"""Two logical CPU devices, no GPU, fixed seeds; set before anything else touches TensorFlow."""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import alexnet_tf  # noqa: E402, F401, I001 - before TensorFlow, which it sets up
import keras  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(autouse=True)
def seeds():
    keras.utils.set_random_seed(0)
