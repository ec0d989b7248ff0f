"""The training loop: what happens round the steps."""

import dataclasses
import json
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.data import datasets, pipeline
from alexnet_tf.data.file_split import NAMED
from alexnet_tf.evaluation import confusion
from alexnet_tf.evaluation.evaluator import Evaluator
from alexnet_tf.models.pretrained.load import RUN_WEIGHTS
from alexnet_tf.runs.checkpoints import LAST, Checkpoints, candidates, random_states
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import RESULT, build_model, check_size, init_workdir, input_mean
from alexnet_tf.runs.run_statistics import load_or_compute_statistics
from alexnet_tf.training import profiling
from alexnet_tf.training.distribution import is_chief, make_strategy, noticing_lost_workers
from alexnet_tf.training.fine_tuning import describe, freeze, starting_weights
from alexnet_tf.training.interruption import Interrupted, Stop, finishing_steps
from alexnet_tf.training.journal import Journal, Meter, StuckLoss, class_counts
from alexnet_tf.training.optimizer import build_optimizer
from alexnet_tf.training.schedules import Plateau, schedule_factor, variable_rates
from alexnet_tf.training.step import TrainStep
from alexnet_tf.training.summaries import HardestExamples, Summaries


@dataclasses.dataclass(frozen=True)
class Options:
    """What changes how fast a run is and how it is watched, but not what comes out.

    Attributes:
        strategy, devices: see `make_strategy`.
        input_threads: threads that the input has to itself; it shares TensorFlow's if not given.
        jit: see `TrainStep`.
        steps_per_call: steps that run without coming back to Python; 1 on CPUs and 10 on GPUs if not given.
        log_every: steps between two lines of metrics.
        layer_summaries_every: steps between two looks at the layers, besides those at validations; 0: scalars
            of the run alone.
        profile: `range` of the steps to trace, or None.
        checkpoint_minutes: how long training goes on without a checkpoint; each validation makes one as well.
    """

    strategy: str = "auto"
    devices: int | None = None
    input_threads: int | None = None
    jit: str = "auto"
    steps_per_call: int | None = None
    log_every: int = 10
    layer_summaries_every: int = 100
    profile: range | None = None
    checkpoint_minutes: float = 15.0


def train_and_evaluate(recipe, workdir, options=Options()):  # noqa: B008
    """Trains a network, or continues a run, and evaluates it.

    With several workers, each calls this with the same arguments and a workdir that all of them see.

    Args:
        recipe: a `Recipe`.
        workdir: directory of the run; made if missing, continued if it holds the same run.
        options: `Options`.

    Returns:
        The last validation's `alexnet_tf.evaluation.evaluator.Result`.

    Raises:
        ValueError: on a dataset that cannot be opened or a workdir that cannot be used, before anything is trained.
        Interrupted: after Ctrl-C or SIGTERM; what was done is saved.
        FloatingPointError: if the loss is not finite; the last checkpoint before stays.
        LostWorkerError: if another worker is gone; the last checkpoint stays.
        SaveError: if a checkpoint cannot be written; those before stay.
    """
    strategy = make_strategy(options.strategy, options.devices, dataclasses.asdict(recipe))
    # Before the seed, of which it would take some.
    check_size(recipe)
    keras.utils.set_random_seed(recipe.seed)
    dataset = datasets.open_dataset(recipe.dataset, recipe.dataset_seed)
    # Before the workdir is claimed, for a mistake in the weights' name should not leave a run with that name.
    begun = bool(candidates(pathlib.Path(workdir) / LAST))
    start = starting_weights(recipe, len(dataset.class_names)) if recipe.weights and not begun else None
    profiling.check(options.profile, recipe.total_steps(dataset.train.count))
    if is_chief(strategy):
        init_workdir(workdir, recipe, dataset.class_names)
    with noticing_lost_workers(strategy):
        trainer = Trainer(recipe, pathlib.Path(workdir), dataset, strategy, options, start)
        with finishing_steps(trainer.stop):
            return trainer.run()


class Trainer:
    """A run in training: its model, optimizer, step and plateau.

    Args:
        recipe, workdir, options: as for `train_and_evaluate`.
        dataset: `Dataset`.
        strategy: `tf.distribute.Strategy`.
        start: see `starting_weights`; None for fresh weights, or those of the run's own checkpoint.
    """

    def __init__(self, recipe, workdir, dataset, strategy, options, start=None):
        self.recipe, self.workdir, self.dataset, self.strategy = recipe, workdir, dataset, strategy
        self.options, self.stop, self.chief = options, Stop(), is_chief(strategy)
        self.classes = len(dataset.class_names)
        self.steps_per_epoch = recipe.steps_per_epoch(dataset.train.count)
        self.total_steps = recipe.total_steps(dataset.train.count)
        self.max_steps_per_call = min(options.steps_per_call or (10 if _kind() == "GPU" else 1), options.log_every)
        found = load_or_compute_statistics(recipe, workdir, dataset, self.chief)
        self.mean, color_pca = input_mean(recipe, found), found.color_pca(recipe.color_pca)
        with strategy.scope():
            self.model = build_model(recipe, self.classes, recipe.precision)
            if start:
                self.model.set_weights(start[0])
            freeze(self.model, recipe.freeze_through)
            self.optimizer = build_optimizer(recipe)
            self.optimizer.build(self.model.trainable_variables)
            self.train_steps = TrainStep(
                strategy, self.model, self.optimizer, recipe, self.mean, color_pca, self.stop.requested, self.max_steps_per_call, options.jit,
            )  # fmt: skip
        self.evaluator = Evaluator(
            self.model,
            self.classes,
            recipe.resize_crop,
            self.mean,
            strategy=strategy,
            stop_requested=self.stop.requested,
        )
        self.paths = [variable.path for variable in self.model.trainable_variables]
        self.step, self.validated = (tf.Variable(0, dtype=tf.int64) for _ in range(2))
        self.plateau_state = tf.Variable(dataclasses.astuple(Plateau()), dtype=tf.float64)
        state = {
            "model": self.model, "optimizer": self.optimizer, "step": self.step, "validated": self.validated,
            "plateau": self.plateau_state, "dropout": random_states(self.model),
        }  # fmt: skip
        if self.train_steps.loss_scale:
            state["loss_scale"] = self.train_steps.loss_scale.state
        self.checkpoints = Checkpoints(workdir, state, self.chief)
        self.checkpoints.restore()
        self.saved_at = time.monotonic()
        self.journal = Journal(workdir, self.steps_per_epoch, self.chief, self._at())
        self.summaries = Summaries(
            recipe, dataset, self.model, self.mean, color_pca, self.journal, self.chief and options.layer_summaries_every > 0,
            self.train_steps.loss_scale,
        )  # fmt: skip
        self.trace = profiling.Trace(self.chief and options.profile, workdir / "logs" / "train")
        self.stuck = StuckLoss(self.classes)
        self.fresh = start[1] if start else []

    def run(self):
        """Trains to the end, validating and saving on the way."""
        try:
            return self._run()
        finally:
            self.trace.close()

    def _run(self):
        self._introduce()
        self.summaries.introduce(self._at())
        result = None
        while self._at() < self.total_steps or self._validation_is_due():
            if self._validation_is_due():
                result = self._validate()
            else:
                self.train(self._at(), self._next_stop())
        result = result or self._evaluate()
        if self.chief:
            self.model.save_weights(self.workdir / RUN_WEIGHTS)
            (self.workdir / RESULT).write_text(json.dumps(dataclasses.asdict(result), indent=2) + "\n")
            if self.recipe.weights:
                self._report()
        return result

    def _report(self):
        """Says and keeps which classes are taken for which, and which images surely."""
        progress = Progress("mistakes", self.dataset.validation.count)

        def update(count):
            progress.update(count)
            if self.stop.requested.numpy():
                self._interrupt("while looking at mistakes")

        found = confusion.answers(
            self.model, self.dataset.validation, "validation", self.dataset.class_names, self.recipe.resize_crop,
            self.mean, progress=update,
        )  # fmt: skip
        found.save(self.workdir)
        self.journal.log(f"validation images by class, all in {confusion.CONFUSION}:\n{found.text()}")

    def _at(self):
        return int(self.step.numpy())

    @property
    def _every(self):
        return self.recipe.evaluate_every or self.steps_per_epoch

    def _validation_is_due(self):
        """Whether this step calls for a validation that has not been: a run can be stopped in the middle of one."""
        step = self._at()
        return step != int(self.validated.numpy()) and (step % self._every == 0 or step == self.total_steps)

    def _next_stop(self):
        """The step up to which training goes on alike: the next validation, a change of augmentation, or the end."""
        step = self._at()
        change = (self.recipe.color_noise_end_epoch or 0) * self.steps_per_epoch
        stops = [self.total_steps, (step // self._every + 1) * self._every, change]
        return min(stop for stop in stops if stop > step)

    def _introduce(self):
        """Says what is about to be trained, and on what."""
        self.journal.log(
            f"{self.recipe.preset}: {self.model.count_params():,} weights, {self.classes} classes, "
            f"{self.dataset.train.count:,} images, {self.total_steps:,} steps of {self.recipe.batch_size}, "
            f"{self.strategy.num_replicas_in_sync} {_kind()}, {self.recipe.precision}, from step {self._at()}"
        )
        if self.recipe.weights:
            self.journal.log(describe(self.model, self.recipe))
        if self.fresh:
            self.journal.log(f"these start fresh, too, for theirs were for another size: {', '.join(self.fresh)}")
        if self.dataset.train.labels is not None:
            for line in class_counts(self.dataset.train.labels, self.dataset.class_names):
                self.journal.log(line)
        if self.options.profile and self._at() > self.options.profile.start:
            self.journal.log(f"no profile: step {self.options.profile.start} is past")

    def train(self, first, end):
        """Trains from one step to another, without a validation."""
        recipe, every = self.recipe, self.options.log_every
        augmentation = recipe.augmentation(first // self.steps_per_epoch)
        batches = self._batches(augmentation, range(first, end))
        progress = Progress("step", self.total_steps, first)
        meter, step = Meter(recipe.batch_size), first
        while step < end:
            stop = self.trace.end_of_call(step, min(end, step + self.max_steps_per_call, (step // every + 1) * every))
            steps = range(step, stop)
            with self.trace.call(step, stop):
                sums, waited = self.train_steps(batches, *self._rates(steps), augmentation.color_noise)
            self.step.assign_add(len(steps))
            step, stop_requested = steps.stop, sums[4]
            # At every step, so that no checkpoint takes the place of a good one after that.
            if not np.isfinite(sums[2]):
                raise FloatingPointError(
                    f"the loss is not finite after step {step}, at learning rate {self.rate:g}; "
                    f"the last good checkpoint is {self.checkpoints.newest}"
                )
            meter.add(len(steps), sums[:4], waited)
            if step % every == 0 or step == end or stop_requested:
                progress.update(step, self._log(step, meter.take()))
            layer_summaries_every = self.options.layer_summaries_every
            if (
                layer_summaries_every
                and step // layer_summaries_every > steps.start // layer_summaries_every
                and step < end
            ):
                self.summaries.layers(step)
            if stop_requested:
                self._interrupt(f"after step {step} of {self.total_steps}")
            if time.monotonic() - self.saved_at > 60 * self.options.checkpoint_minutes:
                self._save()

    def _batches(self, augmentation, steps):
        def batches_of(context):
            return pipeline.with_threads(
                pipeline.training_batches(
                    self.dataset.train, self.classes, self.recipe.batch_size, self.recipe.resize_crop, augmentation,
                    self.recipe.seed, steps, pipeline.Shard.of(context),
                ), self.options.input_threads,
            )  # fmt: skip

        return iter(self.strategy.distribute_datasets_from_function(batches_of))

    def _rates(self, steps):
        """The learning rate of each step, and each variable's multiple of it."""
        rates, multipliers = [], []
        for step in steps:
            factor = schedule_factor(self.recipe, step, self.steps_per_epoch, self.total_steps, self._plateau().drops)
            self.rate = self.recipe.peak_learning_rate * factor
            own = variable_rates(self.recipe, self.paths, factor, step // self.steps_per_epoch)
            rates.append(self.rate)
            multipliers.append(np.array(own, np.float32) / self.rate)
        return rates, multipliers

    def _plateau(self):
        best, waited, drops = self.plateau_state.numpy()
        return Plateau(best, int(waited), int(drops))

    def _log(self, step, values):
        """Writes what the last steps measured; returns it as text."""
        if self.train_steps.loss_scale:
            values["loss_scale"] = float(self.train_steps.loss_scale.scale.numpy())
        self.journal.write("train", step, {**values, "learning_rate": self.rate})
        warning = self.stuck.check(step, values["loss"], self.rate)
        if warning:
            self.journal.log(warning)
        return (
            f"loss {values['loss']:.3f}  top-1 error {values['top1_error']:.1%}  "
            f"{values['images_per_second']:.1f} images/s"
        )

    def _evaluate(self, watch=None):
        progress = Progress("validating", self.dataset.validation.count)

        def update(count, stop_requested):
            progress.update(count)
            if stop_requested:
                self._interrupt(f"while validating step {self._at()} of {self.total_steps}")

        return self.evaluator(self.dataset.validation, update, watch)

    def _validate(self):
        worst = HardestExamples() if self.summaries.writes else None
        result = self._evaluate(worst)
        step, plateau = self._at(), self._plateau()
        best = result.top1_error < plateau.best
        plateau.update(result.top1_error, self.recipe.patience, self.recipe.max_lr_drops)
        self.plateau_state.assign(dataclasses.astuple(plateau))
        self.validated.assign(step)
        values = {"loss": result.loss, "top1_error": result.top1_error, "top5_error": result.top5_error}
        self.journal.write("validation", step, values)
        self.journal.log(
            f"step {step}: validation loss {result.loss:.3f}, top-1 error {result.top1_error:.2%}, "
            f"top-5 error {result.top5_error:.2%}, {result.examples:,} images"
        )
        skipped = sorted(self.dataset.train.skipped | self.dataset.validation.skipped)
        if skipped:
            files = "1 file" if len(skipped) == 1 else f"{len(skipped)} files"
            print(f"{files} skipped, no image: {', '.join(skipped[:NAMED])}", file=sys.stderr)
        if best:
            self.checkpoints.save_best()
        self._save()
        self.summaries.network(step)
        self.summaries.mistakes(step, worst)
        return result

    def _save(self):
        self.checkpoints.save()
        self.saved_at = time.monotonic()

    def _interrupt(self, where):
        self._save()
        raise Interrupted(f"stopped {where}; saved in {self.workdir}; the same command goes on", self.stop.signal)


def _kind():
    return "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
