"""The training loop: `train_and_evaluate` and everything around the steps."""

import contextlib
import dataclasses
import math
import os
import pathlib
import time
from collections.abc import Iterator, Mapping

import keras
import tensorflow as tf

from alexnet_tf import optional, storage
from alexnet_tf.data import pipeline
from alexnet_tf.data.augmentation import Augmentation
from alexnet_tf.data.sampling import Shard
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.runs import layout
from alexnet_tf.runs.checkpoints import Checkpoints
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.run import RESULT_VERSION, Run, build_model, init_workdir, is_run, locked_workdir
from alexnet_tf.runs.run_dataset import check_unchanged, open_run_dataset
from alexnet_tf.runs.run_statistics import load_or_compute_statistics
from alexnet_tf.training import half_precision, profiling, xla
from alexnet_tf.training.diagnosis import StuckLoss, class_balance
from alexnet_tf.training.distillation import Teacher, load_teacher
from alexnet_tf.training.distribution import (
    detecting_lost_workers,
    device_kind,
    is_chief,
    make_strategy,
    wait_for_others,
)
from alexnet_tf.training.fine_tuning import describe, prepare_model, save_reinitialized
from alexnet_tf.training.hardest_examples import HardestExamples
from alexnet_tf.training.interruption import Interrupted, Stop, StopRequested, stopping_gracefully
from alexnet_tf.training.journal import Journal
from alexnet_tf.training.layer_probe import LayerProbe
from alexnet_tf.training.meter import Meter
from alexnet_tf.training.options import Options
from alexnet_tf.training.state import TrainingState
from alexnet_tf.training.summaries import Summaries
from alexnet_tf.training.validation import Validation


class LossNotFiniteError(UserError, FloatingPointError):
    """The loss is infinite or not a number; the last checkpoint is from before."""


def train_and_evaluate(recipe: Recipe, workdir: str | os.PathLike, options: Options = Options()) -> Metrics:  # noqa: B008
    """Trains a network and evaluates it, or resumes a run.

    With several workers, each calls this with the same arguments and a workdir that all of them share.

    Args:
        recipe: what to train.
        workdir: directory of the run; created if missing, resumed if it holds the same run.
        options: how to train it.

    Returns:
        The metrics of the last validation.

    Raises:
        UserError: if the dataset, the weights, the precision or the workdir cannot be used; nothing is trained then.
        LossNotFiniteError: if the loss is not finite; earlier checkpoints are kept.
        Interrupted: after Ctrl-C or SIGTERM; the run is saved.
        LostWorkerError: if another worker is gone; the last checkpoint is kept.
        SaveError: if a file cannot be written; earlier checkpoints are kept.
    """
    storage.check_no_globs("workdir", workdir)
    optional.require("tensorboard", "training", "pip install tensorboard")
    workdir = pathlib.Path(workdir)
    strategy = make_strategy(options.strategy, options.devices, dataclasses.asdict(recipe))
    keras.utils.set_random_seed(recipe.seed)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    half_precision.check(recipe.precision)
    # The lock of a run that exists comes first, so that a second process ends at once.
    exists, chief = is_run(workdir), is_chief(strategy)
    with locked_workdir(workdir) if exists and chief else contextlib.nullcontext(), detecting_lost_workers(strategy):
        dataset = open_run_dataset(recipe, workdir)
        files = check_unchanged(dataset, workdir, options.accept_changed_data)
        profiling.check(options.profile, recipe.total_steps(dataset.train.count))
        with strategy.scope():
            model = build_model(recipe, len(dataset.class_names), recipe.precision)
            teacher = load_teacher(recipe, dataset.class_names)
        # The weights are loaded before the workdir is created: if they cannot be, there is no run.
        reinitialized = prepare_model(model, recipe, workdir)
        with locked_workdir(workdir) if chief and not exists else contextlib.nullcontext():
            if chief:
                init_workdir(workdir, recipe, dataset.class_names, files)
                save_reinitialized(workdir, reinitialized)
            statistics = load_or_compute_statistics(recipe, workdir, dataset, chief)
            run = Run(recipe, dataset.class_names, statistics, model, workdir)
            trainer = Trainer(run, dataset, strategy, options, reinitialized, teacher)
            with stopping_gracefully(trainer.stop):
                metrics = trainer.finish()
                wait_for_others(strategy, workdir / layout.RESULT)
                return metrics


class Trainer:
    """Trains a run from its newest checkpoint, with all that is recorded on the way.

    Args:
        run: with a model that was built in the scope of the strategy.
        dataset: the run's dataset.
        strategy: the devices that train.
        options: how to train.
        reinitialized: layers that pretrained weights did not fit, and why: see `load_pretrained`.
        teacher: the run that the network learns from, if any.

    Attributes:
        stop: the request to stop.
    """

    def __init__(
        self,
        run: Run,
        dataset: Dataset,
        strategy: tf.distribute.Strategy,
        options: Options,
        reinitialized: Mapping[str, str],
        teacher: Run | None = None,
    ) -> None:
        self._run, self._dataset, self._strategy, self._options = run, dataset, strategy, options
        self._reinitialized = reinitialized
        self.stop, self._chief = Stop(), is_chief(strategy)
        steps_per_call = options.steps_per_call or (10 if device_kind() == "GPU" else 1)
        self._max_steps_per_call = min(steps_per_call, options.log_every)
        self._state = TrainingState(
            run, dataset.train.count, strategy, self.stop, self._max_steps_per_call, options, reinitialized,
            Teacher(teacher, run.mean) if teacher else None,
        )  # fmt: skip
        self._checkpoints = Checkpoints(run.workdir, self._state.trackables, self._chief)
        self._checkpoints.restore()
        self._saved_at = time.monotonic()
        self._journal = Journal(run.workdir, self._state.steps_per_epoch, self._chief, self._state.step)
        probe = LayerProbe(
            run.recipe, dataset, run.model, run.mean, run.statistics.color_pca(run.recipe.color_pca),
            self._state.train_step.loss_scale,
        )  # fmt: skip
        writes = self._chief and options.layer_summaries_every > 0
        self._summaries = Summaries(run.recipe, run.model, dataset.class_names, probe, self._journal, writes)
        self._validation = Validation(run, dataset, strategy, self.stop, self._journal)
        self._trace = profiling.Trace(options.profile if self._chief else None, run.workdir / layout.EVENTS / "train")
        self._stuck_loss = StuckLoss(len(dataset.class_names))

    def finish(self) -> Metrics:
        """Trains to the end, validating and saving on the way; raises as `train_and_evaluate` does."""
        try:
            self._log_start()
            self._summaries.write_start(self._state.step)
            metrics = None
            while self._state.step < self._state.total_steps or self._state.needs_validation():
                if self._state.needs_validation():
                    metrics = self._validate()
                else:
                    self.train(self._state.step, self._state.next_stop())
            metrics = metrics or self._validation.evaluate(self._where())
            if self._chief:
                self._write_results(metrics)
            return metrics
        except StopRequested as request:
            self._save()
            message = f"Stopped {request}; saved in {self._run.workdir}. Rerun the same command to resume."
            raise Interrupted(message, self.stop.signal) from None
        finally:
            self._trace.close()

    def train(self, first: int, end: int) -> None:
        """Trains from one step to another, without a validation."""
        augmentation = self._run.recipe.augmentation(first // self._state.steps_per_epoch)
        batches = self._batches(augmentation, range(first, end))
        progress, meter = Progress("step", self._state.total_steps, first), Meter(self._run.recipe.batch_size)
        step = first
        while step < end:
            steps = range(step, self._end_of_call(step, end))
            rates = self._state.rates(steps)
            with self._trace.call(steps.start, steps.stop):
                result = self._state.train_step(batches, rates, augmentation.color_noise)
            self._state.advance(len(steps))
            step, learning_rate = steps.stop, rates.learning_rates[-1]
            # At every step, so that no checkpoint of a broken network replaces a good one.
            if not math.isfinite(result.sums.loss):
                raise LossNotFiniteError(
                    f"the loss is not finite after step {step}, at learning rate {learning_rate:g}. "
                    f"The last good checkpoint is {self._checkpoints.newest}"
                )
            meter.add(len(steps), result)
            if step % self._options.log_every == 0 or step == end or result.stop_requested:
                progress.update(step, self._log_metrics(step, meter.take(), learning_rate))
            every = self._options.layer_summaries_every
            if every and step // every > steps.start // every and step < end:
                self._summaries.write_layers(step)
            if result.stop_requested:
                raise StopRequested(f"after {self._where()}")
            if time.monotonic() - self._saved_at > 60 * self._options.checkpoint_minutes:
                self._save()

    def _end_of_call(self, step: int, end: int) -> int:
        """The last step of a call, so that no line of the log and no bound of a trace lies inside a call."""
        every = self._options.log_every
        return self._trace.end_of_call(step, min(end, step + self._max_steps_per_call, (step // every + 1) * every))

    def _batches(self, augmentation: Augmentation, steps: range) -> Iterator:
        recipe, dataset = self._run.recipe, self._dataset

        def batches_of(context: tf.distribute.InputContext) -> tf.data.Dataset:
            batches = pipeline.training_batches(
                dataset.train, len(dataset.class_names), recipe.batch_size, recipe.resize_crop, augmentation,
                recipe.seed, steps, Shard.of(context),
            )  # fmt: skip
            return pipeline.with_threads(batches, self._options.input_threads)

        return iter(self._strategy.distribute_datasets_from_function(batches_of))

    def _validate(self) -> Metrics:
        hardest = HardestExamples() if self._summaries.writes else None
        metrics, step = self._validation.evaluate(self._where(), hardest), self._state.step
        best = self._state.record_validation(metrics.top1_error)
        self._validation.record(step, metrics)
        if best:
            self._checkpoints.save_best()
        self._save()
        self._summaries.write_network(step)
        self._summaries.write_hardest(step, hardest)
        return metrics

    def _save(self) -> None:
        self._checkpoints.save()
        self._saved_at = time.monotonic()

    def _write_results(self, metrics: Metrics) -> None:
        workdir = self._run.workdir
        with storage.atomic_write(workdir / layout.WEIGHTS, size=4 * self._run.model.count_params()) as partial:
            self._run.model.save_weights(partial)
        storage.write_json(workdir / layout.RESULT, dataclasses.asdict(metrics), RESULT_VERSION)
        if self._run.recipe.weights:
            self._validation.write_report()

    def _where(self) -> str:
        return f"step {self._state.step} of {self._state.total_steps}"

    def _log_metrics(self, step: int, metrics: dict[str, float], learning_rate: float) -> str:
        """Records training metrics; returns the main ones as text."""
        if self._state.train_step.loss_scale:
            metrics["loss_scale"] = float(self._state.train_step.loss_scale.scale.numpy())
        self._journal.write("train", step, {**metrics, "learning_rate": learning_rate})
        warning = self._stuck_loss.check(step, metrics["loss"], learning_rate)
        if warning:
            self._journal.log(warning)
        return (
            f"loss {metrics['loss']:.3f}  top-1 error {metrics['top1_error']:.1%}  "
            f"{metrics['images_per_second']:.1f} images/s"
        )

    def _log_start(self) -> None:
        """Logs what is going to be trained, and on what."""
        recipe, model, profile = self._run.recipe, self._run.model, self._options.profile
        classes, train = self._dataset.class_names, self._dataset.train
        self._journal.log(
            f"{recipe.preset}: {model.count_params():,} parameters, {len(classes)} classes, {train.count:,} images, "
            f"{self._state.total_steps:,} steps, batch size {recipe.batch_size}, "
            f"{self._strategy.num_replicas_in_sync} {device_kind()}, {recipe.precision}, from step {self._state.step}"
        )
        if self._options.jit != "false" and xla.why_unavailable():
            self._journal.log(f"XLA cannot compile here: training without it ({xla.why_unavailable()})")
        if recipe.teacher:
            self._journal.log(f"Teacher: {recipe.teacher}")
        for line in describe(model, recipe, self._reinitialized) if recipe.weights else ():
            self._journal.log(line)
        for line in class_balance(train.labels, classes) if train.labels is not None else ():
            self._journal.log(line)
        if profile and self._state.step > profile.start:
            self._journal.log(f"No profile: its first step, {profile.start}, was done before.")
