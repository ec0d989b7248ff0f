"""The compiled training step: several steps per call, under any distribution strategy."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data.network_input import network_input
from alexnet_tf.evaluation.metrics import Sums, batch_sums
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.training import xla
from alexnet_tf.training.distillation import Teacher, distillation_losses
from alexnet_tf.training.loss_scale import LossScale
from alexnet_tf.training.optimizer import PaperSGD

JIT = ("auto", "true", "false")


class StepRates(NamedTuple):
    """The learning rates of consecutive steps.

    Attributes:
        learning_rates: one per step.
        multipliers: for each step, each variable's learning rate as a multiple of the step's, float32 (variables,).
    """

    learning_rates: Sequence[float]
    multipliers: Sequence[npt.NDArray[np.float32]]


class StepResult(NamedTuple):
    """What a call of `TrainStep` measured.

    Attributes:
        sums: over the examples of all steps.
        stop_requested: whether any process was asked to stop.
        input_seconds: time spent waiting for batches.
    """

    sums: Sums
    stop_requested: bool
    input_seconds: float


class TrainStep:
    """Forward pass, backward pass and update.

    Args:
        strategy: create this object within its scope.
        model: its layer `probabilities` gets the logits.
        optimizer: built; a learning rate of 0 makes it leave all variables unchanged.
        recipe: the run's recipe.
        mean: float32, subtracted from images.
        color_pca: (eigenvalues, eigenvectors) of the color noise.
        stop_requested: float32 scalar variable of this process, summed over replicas (see `interruption.Stop`).
        max_steps_per_call: the most steps in a call.
        jit: what XLA compiles, where it works: `"auto"`, the network's input; `"true"`, forward and backward pass too;
            `"false"`, nothing. On a CPU, a step is 1.6 times as fast with `"auto"` as with `"true"`; on GPUs it was
            never measured.
        deterministic: whether only deterministic kernels are allowed, which TensorFlow's clock is not.
        teacher: the network that `model` learns from; None for none.

    Attributes:
        loss_scale: `LossScale` for float16, else None.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        recipe: Recipe,
        mean: npt.ArrayLike,
        color_pca: Sequence[npt.ArrayLike],
        stop_requested: tf.Variable,
        max_steps_per_call: int = 1,
        jit: str = "auto",
        deterministic: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        self._strategy, self._model, self._optimizer, self._recipe = strategy, model, optimizer, recipe
        self._logits = keras.Model(model.inputs, model.get_layer("probabilities").input)
        self._mean, self._color_pca = tf.constant(mean), [tf.constant(part) for part in color_pca]
        self._stop_requested, self._max_steps_per_call = stop_requested, max_steps_per_call
        self._teacher = teacher
        self.loss_scale = LossScale() if recipe.precision == "mixed_float16" else None
        self._now = _python_time if deterministic else tf.timestamp
        # Compiled into one loop over the batch. Separate operations would each pass it through memory, which takes
        # longer on a CPU than decoding prepared images.
        self._network_input = network_input if jit == "false" else xla.compiled(network_input)
        self._gradients = xla.compiled(self._gradients_of) if jit == "true" else self._gradients_of
        self._steps = tf.function(self._run_steps, jit_compile=False)

    def __call__(self, batches: Iterator, rates: StepRates, color_noise: bool) -> StepResult:
        """Runs as many steps as there are learning rates.

        Args:
            batches: distributed batches of `pipeline.training_batches`.
            rates: the learning rates of each step.
            color_noise: whether inputs get color noise.
        """
        count = len(rates.learning_rates)
        padding = self._max_steps_per_call - count
        totals, waited = self._steps(
            batches, tf.constant(count),
            tf.constant(np.pad(np.array(rates.learning_rates, np.float32), (0, padding))),
            tf.constant(np.pad(np.array(rates.multipliers, np.float32), ((0, padding), (0, 0)))), color_noise,
        )  # fmt: skip
        *sums, stop_requests = totals.numpy()
        return StepResult(Sums(*sums), stop_requests > 0, float(waited))

    def _run_steps(
        self, batches: Iterator, count: tf.Tensor, rates: tf.Tensor, multipliers: tf.Tensor, color_noise: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The sums and stop requests of all steps as float64 (5,), and the seconds spent waiting for batches."""
        totals, waited = tf.zeros([5], tf.float64), tf.zeros([], tf.float64)
        for step in tf.range(count):
            with tf.control_dependencies([totals]):
                start = self._now()
            with tf.control_dependencies([start]):
                batch = next(batches)
            with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
                waited += self._now() - start
            self._optimizer.learning_rate = rates[step]
            if isinstance(self._optimizer, PaperSGD):
                self._optimizer.multipliers.assign(multipliers[step])
            per_replica = self._strategy.run(self._replica_step, args=(batch, rates[step], color_noise))
            totals += self._strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        return totals, waited

    # Only the loop above needs AutoGraph.
    @tf.autograph.experimental.do_not_convert
    def _replica_step(self, batch: dict[str, tf.Tensor], rate: tf.Tensor, color_noise: bool) -> tf.Tensor:
        """One update; returns the sums of this replica's examples and its request to stop, as float64 (5,)."""
        color_pca = self._color_pca if color_noise else None
        images = self._network_input(batch, self._mean, color_pca, self._recipe.color_noise_divisor)
        scale = self.loss_scale.scale if self.loss_scale else tf.ones([])
        teacher_logits = self._teacher.logits(images) if self._teacher else None
        logits, gradients = self._gradients(images, batch["label"], batch["weight"], scale, teacher_logits)
        if self.loss_scale:
            gradients, good = self.loss_scale.unscale(gradients)
            self._optimizer.learning_rate = tf.where(good, rate, 0)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        sums = batch_sums(tf.nn.softmax(logits), batch["label"], batch["weight"])
        return tf.concat([sums, [tf.cast(self._stop_requested, tf.float64)]], axis=0)

    def _gradients_of(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        scale: tf.Tensor,
        teacher_logits: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The logits, and the gradient of the scaled loss for each trainable variable."""
        smoothing = self._recipe.label_smoothing
        # Watch trainable variables only, so that nothing below a frozen layer is recorded or differentiated.
        trainable = self._model.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in trainable])
            logits = tf.cast(self._logits(images, training=True), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            if smoothing:
                uniform = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
                losses = (1 - smoothing) * losses + smoothing * uniform
            if teacher_logits is not None:
                losses = distillation_losses(losses, logits, teacher_logits)
            # A constant divisor, so that the replicas' gradients add up to that of the global batch.
            loss = tf.reduce_sum(losses * weights) / self._recipe.batch_size * scale
        return logits, tape.gradient(loss, trainable)


def _python_time() -> tf.Tensor:
    """The time in seconds, float64; in GPU training it delays steps more than TensorFlow's clock."""
    return tf.ensure_shape(tf.numpy_function(time.time, [], tf.float64), [])
