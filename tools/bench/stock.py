"""The network of Keras' own layers, in a process whose TensorFlow has its default settings."""

import pathlib

# Before this package, which changes TensorFlow's settings.
import keras

from tools.bench import network


def stock_network(directory: pathlib.Path) -> keras.Model:
    """The paper's network with Keras' grouped convolution and exported weights, to probabilities."""
    from alexnet_tf.models.builder import AlexNet
    from alexnet_tf.models.layers import GroupedConv2D

    def stock(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, GroupedConv2D):
            return layer.__class__.from_config(layer.get_config())
        config = layer.get_config()
        config.pop("lowering")
        return keras.layers.Conv2D.from_config(config)

    model = keras.models.clone_model(AlexNet("paper", classes=network.CLASSES), clone_function=stock)
    network.load_weights(directory, model)
    return model
