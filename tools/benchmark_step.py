"""Times a training step at full size: ours against stock grouped `Conv2D` under Keras' default `fit`, in one run."""

import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from alexnet_tf.models.builder import AlexNet  # noqa: E402
from alexnet_tf.models.layers import GroupedConv2D  # noqa: E402
from alexnet_tf.training.optimizer import PaperSGD  # noqa: E402

BATCH, CLASSES, ROUNDS = 32, 10, 3


def main():
    """Prints seconds a step, the median of alternating rounds, and the ratio."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(BATCH, 227, 227, 3)).astype(np.float32) * 60
    labels = rng.integers(0, CLASSES, BATCH)
    steps = {"stock Conv2D, fit": _stock_step(images, labels), "alexnet_tf": _our_step(images, labels)}
    seconds = {name: [] for name in steps}
    for number in range(ROUNDS + 1):
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            if number:  # The first round traces and compiles.
                seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<20}{median:8.2f} s a step of {BATCH}{BATCH / median:8.1f} images/s")
    stock, ours = medians.values()
    print(f"ratio {stock / ours:.2f}")


def _stock_step(images, labels):
    def stock(layer):
        if not isinstance(layer, GroupedConv2D):
            return layer.__class__.from_config(layer.get_config())
        config = layer.get_config()
        config.pop("lowering")
        return keras.layers.Conv2D.from_config(config)

    model = keras.models.clone_model(AlexNet("paper", classes=CLASSES), clone_function=stock)
    model.compile(keras.optimizers.SGD(1e-4, momentum=0.9), "sparse_categorical_crossentropy")
    return lambda: model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0)


def _our_step(images, labels):
    model = AlexNet("paper", classes=CLASSES, classifier_activation=None)
    optimizer = PaperSGD(1e-4)
    optimizer.build(model.trainable_variables)
    images, labels = tf.constant(images), tf.constant(labels)

    @tf.function(jit_compile=False)
    def step():
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return lambda: step().numpy()


if __name__ == "__main__":
    main()
