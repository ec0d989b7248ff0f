"""Times a training step at full size: ours against stock grouped `Conv2D` under Keras' default `fit`, in one run.

Each side runs in a process of its own, set up as its user would have it; rounds alternate between them.
"""

import multiprocessing
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

BATCH, CLASSES, ROUNDS, STEPS = 32, 10, 5, 2


def main():
    """Prints seconds a step, the median of the rounds, and the ratio."""
    spawn = multiprocessing.get_context("spawn")
    sides = {"stock Conv2D, fit": _stock_step, "alexnet_tf": _our_step}
    seconds = {name: [] for name in sides}
    pipes = {}
    for name, make_step in sides.items():
        pipes[name], far_end = spawn.Pipe()
        spawn.Process(target=_time_on_request, args=(make_step, far_end), daemon=True).start()
    for number in range(ROUNDS + 1):
        for name, pipe in pipes.items():
            pipe.send(STEPS)
            elapsed = pipe.recv()
            if number:  # The first round traces and compiles.
                seconds[name].append(elapsed)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<20}{median:8.2f} s a step of {BATCH}{BATCH / median:8.1f} images/s")
    stock, ours = medians.values()
    print(f"ratio {stock / ours:.2f}")


def _time_on_request(make_step, pipe):
    """Waits for a number of steps, takes them, answers with the seconds each took; until the pipe closes."""
    step = make_step()
    while True:
        steps = pipe.recv()
        begun = time.perf_counter()
        for _ in range(steps):
            step()
        pipe.send((time.perf_counter() - begun) / steps)


def _stock_step():
    # Before anything of ours, so that TensorFlow is set up as it comes.
    import keras

    from alexnet_tf.models.builder import AlexNet
    from alexnet_tf.models.layers import GroupedConv2D

    def stock(layer):
        if not isinstance(layer, GroupedConv2D):
            return layer.__class__.from_config(layer.get_config())
        config = layer.get_config()
        config.pop("lowering")
        return keras.layers.Conv2D.from_config(config)

    model = keras.models.clone_model(AlexNet("paper", classes=CLASSES), clone_function=stock)
    model.compile(keras.optimizers.SGD(1e-4, momentum=0.9), "sparse_categorical_crossentropy")
    images, labels = _batch()
    return lambda: model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0)


def _our_step():
    from alexnet_tf.models.builder import AlexNet
    from alexnet_tf.training.optimizer import PaperSGD

    import tensorflow as tf  # isort: skip - after the package, which sets it up

    model = AlexNet("paper", classes=CLASSES, classifier_activation=None)
    optimizer = PaperSGD(1e-4)
    optimizer.build(model.trainable_variables)
    images, labels = map(tf.constant, _batch())

    @tf.function(jit_compile=False)
    def step():
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return lambda: step().numpy()


def _batch():
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.normal(size=(BATCH, 227, 227, 3)).astype(np.float32) * 60, rng.integers(0, CLASSES, BATCH)


if __name__ == "__main__":
    main()
