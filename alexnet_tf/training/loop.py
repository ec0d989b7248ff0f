"""The training loop: one step under `strategy.run`, and what happens round it."""

import contextlib
import dataclasses
import json
import pathlib
import signal
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.data import datasets, pipeline, statistics
from alexnet_tf.data.encoded import NAMED
from alexnet_tf.data.images import Geometry
from alexnet_tf.evaluation.evaluate import evaluate, sums
from alexnet_tf.models.pretrained.load import RUN_WEIGHTS
from alexnet_tf.training import runs
from alexnet_tf.training.distribution import make_strategy
from alexnet_tf.training.optimizer import PaperSGD, build_optimizer
from alexnet_tf.training.progress import Progress
from alexnet_tf.training.schedules import Plateau, schedule_factor, variable_rates

LOG_EVERY = 10
RESULT = "result.json"


class Interrupted(Exception):
    """Training was stopped by a signal; the step in hand was finished and saved."""


def train_and_evaluate(recipe, workdir, strategy="auto", input_threads=None):
    """Trains a network, or continues a run, and evaluates it.

    Args:
        recipe: a `Recipe`.
        workdir: directory of the run; made if missing, continued if it holds the same run.
        strategy: `"auto"`, `"none"` or `"mirrored"` (see `make_strategy`).
        input_threads: threads that the input has to itself; it shares TensorFlow's if not given.

    Returns:
        The last validation's `alexnet_tf.evaluation.evaluate.Result`.

    Raises:
        ValueError: on a dataset that cannot be opened or a workdir that cannot be used, before anything is trained.
        Interrupted: after Ctrl-C or SIGTERM; what was done is saved.
        FloatingPointError: if the loss is not finite; the last checkpoint before stays.
    """
    keras.utils.set_random_seed(recipe.seed)
    strategy = make_strategy(strategy)
    dataset = datasets.open_dataset(recipe.dataset, recipe.seed)
    runs.claim(workdir, recipe, dataset.class_names)
    trainer = _Trainer(recipe, pathlib.Path(workdir), dataset, strategy, input_threads)
    with _finish_step_on_signal() as stop:
        return trainer.run(stop)


class _Trainer:
    """Holds a run's variables: model, optimizer, step, plateau."""

    def __init__(self, recipe, workdir, dataset, strategy, input_threads):
        self.recipe, self.workdir, self.dataset, self.strategy = recipe, workdir, dataset, strategy
        self.input_threads = input_threads
        self.classes = len(dataset.class_names)
        self.steps_per_epoch = recipe.steps_per_epoch(dataset.train.count)
        self.total_steps = recipe.total_steps(dataset.train.count)
        self.statistics = _statistics(recipe, workdir, dataset)
        self.mean = runs.input_mean(recipe, self.statistics)
        with strategy.scope():
            self.model = runs.build_model(recipe, self.classes)
            self.logits = keras.Model(self.model.inputs, self.model.get_layer("fc8").output)
            self.optimizer = build_optimizer(recipe)
            self.optimizer.build(self.model.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64)
        self.plateau_state = tf.Variable(dataclasses.astuple(Plateau()), dtype=tf.float64)
        checkpoint = tf.train.Checkpoint(
            model=self.model, optimizer=self.optimizer, step=self.step, plateau=self.plateau_state,
            dropout=_random_states(self.model),
        )  # fmt: skip
        self.checkpoints = tf.train.CheckpointManager(checkpoint, workdir / runs.CHECKPOINTS, max_to_keep=2)
        if self.checkpoints.latest_checkpoint:
            checkpoint.restore(self.checkpoints.latest_checkpoint).assert_existing_objects_matched()
        self.writers = {n: tf.summary.create_file_writer(str(workdir / "logs" / n)) for n in ("train", "validation")}
        self.train_step = self._make_step()

    def run(self, stop):
        """Trains to the end, validating and saving on the way."""
        self._introduce()
        every = self.recipe.evaluate_every or self.steps_per_epoch
        result = None
        while (step := int(self.step.numpy())) < self.total_steps:
            end = min(self.total_steps, (step // every + 1) * every, self._noise_end(step))
            self._train(step, end, stop)
            result = self._validate()
            self.checkpoints.save()
        result = result or self._validate()
        self.model.save_weights(self.workdir / RUN_WEIGHTS)
        (self.workdir / RESULT).write_text(json.dumps(dataclasses.asdict(result), indent=2) + "\n")
        return result

    def _introduce(self):
        """Says what is about to be trained, and on what."""
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        print(
            f"{self.recipe.preset}: {self.model.count_params():,} weights, {self.classes} classes, "
            f"{self.dataset.train.count:,} images, {self.total_steps:,} steps of {self.recipe.batch_size}, "
            f"{self.strategy.num_replicas_in_sync} {kind}",
            file=sys.stderr,
        )

    def _noise_end(self, step):
        """The step at which augmentation changes, so that no stretch of training reaches over it."""
        change = (self.recipe.noise_until or 0) * self.steps_per_epoch
        return change if change > step else self.total_steps

    def _train(self, first, end, stop):
        recipe = self.recipe
        augmentation = recipe.augmentation(first // self.steps_per_epoch)

        def batches_of(context):
            count = context.num_replicas_in_sync // context.num_input_pipelines
            share = pipeline.Share(context.num_replicas_in_sync, context.input_pipeline_id * count, count)
            batches = pipeline.training_batches(
                self.dataset.train, self.classes, recipe.batch_size, recipe.geometry, augmentation, recipe.seed,
                range(first, end), share,
            )  # fmt: skip
            return pipeline.with_threads(batches, self.input_threads)

        batches = iter(self.strategy.distribute_datasets_from_function(batches_of))
        progress = Progress("step", self.total_steps, first)
        totals, since, begun = tf.zeros([4], tf.float64), first, time.monotonic()
        for step in range(first, end):
            self._set_rates(step)
            totals += self.train_step(next(batches), augmentation.colour_noise)
            self.step.assign_add(1)
            done = step + 1
            if done % LOG_EVERY == 0 or done == end or stop.is_set:
                rate = (done - since) * recipe.batch_size / (time.monotonic() - begun)
                text = self._log(done, totals.numpy(), rate)
                progress.update(done, text)
                totals, since, begun = tf.zeros([4], tf.float64), done, time.monotonic()
            if stop.is_set:
                self.checkpoints.save()
                raise Interrupted(f"stopped after step {done} of {self.total_steps}; saved in {self.workdir}")

    def _make_step(self):
        axes = [tf.constant(a) for a in self.statistics.axes(self.recipe.colours)]
        mean = tf.constant(self.mean)

        def replica_step(batch, noise):
            images = pipeline.network_input(batch, mean, axes if noise else None, self.recipe.noise_divisor)
            with tf.GradientTape() as tape:
                logits = tf.cast(self.logits(images, training=True), tf.float32)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch["label"], logits)
                # A constant divisor, so that replicas' gradients add up to the global batch's.
                loss = tf.reduce_sum(losses * batch["weight"]) / self.recipe.batch_size
            variables = self.model.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            return sums(tf.nn.softmax(logits), batch["label"], batch["weight"])

        @tf.function(jit_compile=False)
        def step(batch, noise):
            per_replica = self.strategy.run(replica_step, args=(batch, noise))
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)

        return step

    def _set_rates(self, step):
        """Puts the schedule's rates for a step into the optimizer."""
        plateau = self._plateau()
        factor = schedule_factor(self.recipe, step, self.steps_per_epoch, self.total_steps, plateau.drops)
        self.rate = self.recipe.learning_rate * factor
        self.optimizer.learning_rate = self.rate
        if isinstance(self.optimizer, PaperSGD):
            paths = [variable.path for variable in self.model.trainable_variables]
            rates = variable_rates(self.recipe, paths, factor, step // self.steps_per_epoch)
            self.optimizer.multipliers.assign(np.array(rates, np.float32) / self.rate)

    def _plateau(self):
        best, waited, drops = self.plateau_state.numpy()
        return Plateau(best, int(waited), int(drops))

    def _log(self, step, totals, images_per_second):
        """Writes the mean of the last steps as scalars; returns it as text. Refuses a loss that is not finite."""
        top1, top5, loss, count = totals
        if not np.isfinite(loss) or not count:
            raise FloatingPointError(
                f"the loss is not finite after step {step}, at learning rate {self.rate:g}; "
                f"the last good checkpoint is {self.checkpoints.latest_checkpoint}"
            )
        values = {
            "loss": loss / count, "top1_error": 1 - top1 / count, "top5_error": 1 - top5 / count,
            "learning_rate": self.rate, "images_per_second": images_per_second,
        }  # fmt: skip
        self._write("train", step, values)
        return f"loss {loss / count:.3f}  top-1 error {1 - top1 / count:.1%}  {images_per_second:.1f} images/s"

    def _validate(self):
        split = self.dataset.validation
        progress = Progress("validating", split.count)
        result = evaluate(
            self.model, split, self.classes, self.recipe.geometry, self.mean,
            progress=lambda count: progress.update(count),
        )  # fmt: skip
        step = int(self.step.numpy())
        plateau = self._plateau()
        plateau.update(result.top1_error, self.recipe.patience, self.recipe.drops)
        self.plateau_state.assign(dataclasses.astuple(plateau))
        values = {"loss": result.loss, "top1_error": result.top1_error, "top5_error": result.top5_error}
        self._write("validation", step, values)
        print(
            f"step {step}: validation loss {result.loss:.3f}, top-1 error {result.top1_error:.2%}, "
            f"top-5 error {result.top5_error:.2%}, {result.examples} images",
            file=sys.stderr,
        )
        skipped = sorted(self.dataset.train.skipped | split.skipped)
        if skipped:
            files = "1 file" if len(skipped) == 1 else f"{len(skipped)} files"
            print(f"{files} skipped, no image: {', '.join(skipped[:NAMED])}", file=sys.stderr)
        return result

    def _write(self, writer, step, values):
        with self.writers[writer].as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self.writers[writer].flush()


def _random_states(model):
    """The states of a model's dropout layers, which `tf.train.Checkpoint` does not find by itself."""
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]
    return [layer.seed_generator.state.value for layer in dropouts]


def _statistics(recipe, workdir, dataset):
    """The training set's statistics, taken once a run and kept in its workdir."""
    path = workdir / runs.STATISTICS
    if path.exists():
        return statistics.Statistics.load(path)
    count = min(recipe.statistics_examples or dataset.train.count, dataset.train.count)
    resize = recipe.geometry.resize
    if dataset.statistics and dataset.statistics.mean_image.shape[0] == resize:
        dataset.statistics.save(path)
        return dataset.statistics
    # In training order, so that a part of a set sorted by class is still a fair sample.
    batches = pipeline.evaluation_batches(
        dataset.train, len(dataset.class_names), min(64, count), Geometry(resize, resize), count=count,
        seed=recipe.seed,
    )  # fmt: skip
    progress = Progress("statistics", count)
    found = statistics.collect(batches.map(lambda batch: (batch["image"], batch["weight"])), progress.update)
    found.save(path)
    return found


class _Stop:
    is_set = False


@contextlib.contextmanager
def _finish_step_on_signal():
    """Within the context, Ctrl-C and SIGTERM only ask for a stop after the step in hand."""
    stop = _Stop()

    def ask(number, frame):
        stop.is_set = True

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
