"""Measures a training step at full size: ours, alone and in the loop, against Keras' `Conv2D` and `fit`.

Each runs in its own process, with the settings that its user would have; rounds alternate between them.
"""

import atexit
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from tools.rounds import medians  # noqa: E402

BATCH, CLASSES, ROUNDS, STEPS = 32, 10, 7, 5


def main():
    """Prints the seconds per step, as median of the rounds, and their ratios."""
    step_seconds = medians({"stock Conv2D, fit": _stock_step, "bare step": _our_step, "train loop": _our_loop}, ROUNDS)
    for name, seconds in step_seconds.items():
        print(f"{name:<20}{seconds:8.2f} s per step of {BATCH}{BATCH / seconds:8.1f} images/s")
    stock, bare, loop = step_seconds.values()
    print(f"ratio of stock to loop {stock / loop:.2f}, of loop to bare step {loop / bare:.3f}")


def timed(step, steps=STEPS):
    """A measurement for `medians`: seconds per step."""

    def measure():
        started = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - started) / steps

    return measure


def _stock_step():
    # Before this package, which changes TensorFlow's settings.
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
    return timed(lambda: model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0), steps=1)


def _our_step():
    step = paper_step()

    import tensorflow as tf  # isort: skip - after this package, which changes its settings

    images, labels = map(tf.constant, _batch())
    return timed(lambda: step(images, labels).numpy())


def _our_loop():
    """The steps of `alexnet-tf train` between validations, on one image that takes no time to read."""
    from alexnet_tf.data import sources
    from alexnet_tf.data.indexed_split import IndexedSplit
    from alexnet_tf.data.statistics import Sums
    from alexnet_tf.runs.metrics_log import read_metrics
    from alexnet_tf.runs.recipes import get_recipe
    from alexnet_tf.runs.run import Run, build_model
    from alexnet_tf.training.loop import Trainer
    from alexnet_tf.training.options import Options

    import numpy as np  # isort: skip
    import tensorflow as tf  # isort: skip - after this package, which changes its settings

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)
    image = tf.constant(pixels[:227, :227])
    split = IndexedSplit(
        BATCH, lambda example, crop: {"image": image, "label": example["index"] % CLASSES, "weight": tf.ones([])}
    )
    sums = Sums()
    sums.add(pixels[None])
    dataset = sources.Dataset("one image", tuple("0123456789"), split, split, sums.statistics())
    recipe = get_recipe("paper", batch_size=BATCH, schedule="constant", learning_rate=1e-4)
    workdir = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, workdir)
    run = Run(recipe, dataset.class_names, sums.statistics(), build_model(recipe, CLASSES), workdir)
    trainer = Trainer(run, dataset, tf.distribute.get_strategy(), Options(log_every=STEPS), {})

    def measure():
        trainer.train(0, 2 * STEPS)
        # The second half, because the first includes the start of the pipeline.
        return read_metrics(workdir, "train")[-1]["step_seconds"]

    return measure


def paper_step():
    """Our training step of the paper's network: a function of images and labels that returns the loss."""
    from alexnet_tf.models.builder import AlexNet
    from alexnet_tf.training.optimizer import PaperSGD

    import tensorflow as tf  # isort: skip - after this package, which changes its settings

    model = AlexNet("paper", classes=CLASSES, classifier_activation=None)
    optimizer = PaperSGD(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=False)
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def _batch():
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.normal(size=(BATCH, 227, 227, 3)).astype(np.float32) * 60, rng.integers(0, CLASSES, BATCH)


if __name__ == "__main__":
    main()
