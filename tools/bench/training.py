"""The suite `train`: training steps on batches that take no time to read."""

import atexit
import functools
import pathlib
import shutil
import tempfile
import time

import numpy as np

from tools.bench import network
from tools.bench.report import Suite
from tools.bench.rounds import Contender, Probe, timed

STEPS = 3
# What a framework needs at the start of a loop, such as the first batches of its input, is not measured.
SETTLING = 2
# So small that the network stays finite with random labels.
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-5, 0.9, 5e-4
FLOAT32 = 1e-4


def train_suite(directory: pathlib.Path, batch: int) -> Suite:
    """Training on batches in float32.

    Args:
        directory: of the exported network, whose weights all start with.
        batch: images in one step.
    """
    makers = {
        "ours, alexnet-tf train": (_loop, {}, ""),
        "ours, step alone": (_step, {}, ""),
        "Keras layers, fit": (_fit, {}, ""),
        "PyTorch, eager": (_torch, {"compiled": False}, "torch"),
        "PyTorch, torch.compile": (_torch, {"compiled": True}, "torch"),
    }
    contenders = [
        Contender(name, functools.partial(make, directory, batch, **options), FLOAT32, package, network.TRAINING_GFLOP)
        for name, (make, options, package) in makers.items()
    ]
    return Suite(f"Training, batches of {batch}", contenders, "ours, alexnet-tf train")


def training_step(model):
    """Our training step: a function of network input float32 (batch, 227, 227, 3) and labels that returns the loss.

    Args:
        model: the network, to probabilities.
    """
    from alexnet_tf.training.optimizer import PaperSGD

    import keras  # isort: skip - after this package, which changes TensorFlow's settings
    import tensorflow as tf  # isort: skip

    optimizer = PaperSGD(LEARNING_RATE)
    optimizer.build(model.trainable_variables)
    logits_model = keras.Model(model.inputs, model.get_layer("fc8").output)

    @tf.function(jit_compile=False)
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = logits_model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def _step(directory: pathlib.Path, batch: int) -> Probe:
    from alexnet_tf.models.builder import AlexNet

    import tensorflow as tf  # isort: skip - after this package, which changes its settings

    model = AlexNet("paper", classes=network.CLASSES)
    network.load_weights(directory, model)
    step, images, labels = training_step(model), tf.constant(_inputs(batch)), tf.constant(_labels(batch))
    return Probe(timed(lambda: step(images, labels).numpy(), batch, STEPS), _keras_outputs(model, batch))


def _loop(directory: pathlib.Path, batch: int) -> Probe:
    """The steps of `alexnet-tf train` between validations, on one image that takes no time to read."""
    from alexnet_tf.data import sources
    from alexnet_tf.data.indexed_split import IndexedSplit
    from alexnet_tf.data.statistics import Sums
    from alexnet_tf.runs.metrics_log import read_metrics
    from alexnet_tf.runs.recipes import get_recipe
    from alexnet_tf.runs.run import Run, build_model
    from alexnet_tf.training.loop import Trainer
    from alexnet_tf.training.options import Options

    import tensorflow as tf  # isort: skip - after this package, which changes its settings

    image, ones = tf.constant(network.images(1)[0]), tf.ones([])
    split = IndexedSplit(
        batch, lambda example, crop: {"image": image, "label": example["index"] % network.CLASSES, "weight": ones}
    )
    sums = Sums()
    sums.add(np.pad(network.images(1), ((0, 0), (0, 29), (0, 29), (0, 0))))
    names = tuple(map(str, range(network.CLASSES)))
    dataset = sources.Dataset("one image", names, split, split, sums.statistics())
    recipe = get_recipe("paper", batch_size=batch, schedule="constant", learning_rate=LEARNING_RATE)
    workdir = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, workdir)
    run = Run(recipe, names, sums.statistics(), build_model(recipe, network.CLASSES), workdir)
    network.load_weights(directory, run.model)
    outputs = _keras_outputs(run.model, batch)
    trainer = Trainer(run, dataset, tf.distribute.get_strategy(), Options(log_every=STEPS), {})

    def measure() -> float:
        trainer.train(0, 2 * STEPS)
        # The second half, because the first includes the start of the pipeline.
        return read_metrics(workdir, "train")[-1]["step_seconds"] / batch

    return Probe(measure, outputs)


def _fit(directory: pathlib.Path, batch: int) -> Probe:
    """Steps in the middle of a `fit`, timed by a callback."""
    import keras
    import tensorflow as tf

    from tools.bench.stock import stock_network

    model = stock_network(directory)
    outputs = _keras_outputs(model, batch)
    model.compile(keras.optimizers.SGD(LEARNING_RATE, MOMENTUM), "sparse_categorical_crossentropy")
    data = tf.data.Dataset.from_tensors((_inputs(batch), _labels(batch))).repeat()
    ends: list[float] = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: ends.append(time.perf_counter()))

    def measure() -> float:
        model.fit(data, steps_per_epoch=SETTLING + STEPS, shuffle=False, verbose=0, callbacks=[callback])
        return (ends[-1] - ends[-1 - STEPS]) / (STEPS * batch)

    return Probe(measure, outputs)


def _torch(directory: pathlib.Path, batch: int, compiled: bool) -> Probe:
    import torch

    from tools.bench import pytorch

    model = pytorch.load(directory, compiled)
    outputs = pytorch.probabilities(model, network.images(batch))
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    images, labels = torch.from_numpy(network.images(batch)), torch.from_numpy(_labels(batch))

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return Probe(timed(step, batch, STEPS), outputs)


def _keras_outputs(model, batch: int) -> np.ndarray:
    return model.predict_on_batch(_inputs(min(batch, 8)))


def _inputs(batch: int) -> np.ndarray:
    return network.images(batch).astype(np.float32) - network.GRAY


def _labels(batch: int) -> np.ndarray:
    return np.arange(batch) % network.CLASSES
