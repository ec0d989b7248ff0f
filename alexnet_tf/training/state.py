"""The state of a run in training: what a step changes, and what a checkpoint holds."""

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.runs.checkpoints import random_states
from alexnet_tf.runs.run import Run
from alexnet_tf.training.distillation import Teacher
from alexnet_tf.training.interruption import Stop
from alexnet_tf.training.optimizer import build_optimizer
from alexnet_tf.training.options import Options
from alexnet_tf.training.schedules import Plateau, schedule_factor, variable_rates
from alexnet_tf.training.step import StepRates, TrainStep


class TrainingState:
    """Model, optimizer, loss scale, plateau and step counters of a run.

    Args:
        run: with a model that was built in the scope of the strategy.
        examples: number of training images.
        strategy: the devices that train.
        stop: the request to stop that steps read.
        max_steps_per_call: the most steps per call of `train_step`.
        options: how to train.
        reinitialized: as for `variable_rates`.
        teacher: as for `TrainStep`.

    Attributes:
        train_step: the compiled `TrainStep`.
        steps_per_epoch, total_steps: lengths of an epoch and of the run, in steps.
    """

    def __init__(
        self,
        run: Run,
        examples: int,
        strategy: tf.distribute.Strategy,
        stop: Stop,
        max_steps_per_call: int,
        options: Options,
        reinitialized: Collection[str] = (),
        teacher: Teacher | None = None,
    ) -> None:
        recipe = run.recipe
        self._recipe, self._model, self._reinitialized = recipe, run.model, tuple(reinitialized)
        self.steps_per_epoch, self.total_steps = recipe.steps_per_epoch(examples), recipe.total_steps(examples)
        self._validation_interval = recipe.validation_interval(examples)
        with strategy.scope():
            self._optimizer = build_optimizer(recipe)
            self._optimizer.build(run.model.trainable_variables)
            self.train_step = TrainStep(
                strategy, run.model, self._optimizer, recipe, run.mean,
                run.statistics.color_pca(recipe.color_pca), stop.requested, max_steps_per_call,
                options.jit, options.deterministic, teacher,
            )  # fmt: skip
        self._step, self._validated = (tf.Variable(0, dtype=tf.int64) for _ in range(2))
        self._plateau = tf.Variable(dataclasses.astuple(Plateau()), dtype=tf.float64)
        self._paths = [variable.path for variable in run.model.trainable_variables]

    @property
    def trackables(self) -> dict[str, Any]:
        """Everything that resuming needs, as `Checkpoints` takes it."""
        trackables = {
            "model": self._model, "optimizer": self._optimizer, "step": self._step, "validated": self._validated,
            "plateau": self._plateau, "dropout": random_states(self._model),
        }  # fmt: skip
        if self.train_step.loss_scale:
            trackables["loss_scale"] = self.train_step.loss_scale.state
        return trackables

    @property
    def step(self) -> int:
        """The number of steps done."""
        return int(self._step.numpy())

    def advance(self, steps: int) -> None:
        """Counts steps as done."""
        self._step.assign_add(steps)

    def needs_validation(self) -> bool:
        """Whether a validation is due at this step and was not completed: a run can be stopped in the middle of one."""
        step = self.step
        due = step % self._validation_interval == 0 or step == self.total_steps
        return due and step != int(self._validated.numpy())

    def record_validation(self, top1_error: float) -> bool:
        """Updates the plateau; returns whether the error is the lowest so far."""
        plateau = self._read_plateau()
        best = top1_error < plateau.best
        plateau.update(top1_error, self._recipe.patience, self._recipe.max_lr_drops)
        self._plateau.assign(dataclasses.astuple(plateau))
        self._validated.assign(self.step)
        return best

    def next_stop(self) -> int:
        """The step up to which training continues unchanged: a validation, the end of color noise, or the last step."""
        step, every = self.step, self._validation_interval
        noise_end = (self._recipe.color_noise_end_epoch or 0) * self.steps_per_epoch
        stops = (self.total_steps, (step // every + 1) * every, noise_end)
        return min(stop for stop in stops if stop > step)

    def rates(self, steps: range) -> StepRates:
        """The learning rates of steps."""
        rates, multipliers, drops = [], [], self._read_plateau().drops
        for step in steps:
            factor = schedule_factor(self._recipe, step, self.steps_per_epoch, self.total_steps, drops)
            rate = self._recipe.peak_learning_rate * factor
            epoch = step // self.steps_per_epoch
            of_variables = variable_rates(self._recipe, self._paths, factor, epoch, self._reinitialized)
            rates.append(rate)
            multipliers.append(np.array(of_variables, np.float32) / rate)
        return StepRates(rates, multipliers)

    def _read_plateau(self) -> Plateau:
        best, waited, drops = self._plateau.numpy()
        return Plateau(best, int(waited), int(drops))
