"""The compiled training step, several of them a call, under any strategy."""

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.data import pipeline
from alexnet_tf.evaluation.evaluator import sums
from alexnet_tf.training.loss_scale import LossScale
from alexnet_tf.training.optimizer import PaperSGD

JIT = ("auto", "true", "false")


class TrainStep:
    """Forward, backward, update.

    Args:
        strategy: `tf.distribute.Strategy`; create this object within its scope.
        model: `keras.Model` whose layer `probabilities` gets the logits.
        optimizer: built Keras optimizer; a rate of 0 makes it leave everything as it is.
        recipe: `Recipe`.
        mean: what is subtracted from images, float32.
        color_pca: (eigenvalues, eigenvectors) of the color noise.
        stop_requested: float32 scalar variable of this process, added up over replicas (see `interruption.Stop`).
        max_steps_per_call: steps a call at most.
        jit: `"auto"`, `"true"` or `"false"`: whether forward and backward pass are compiled with XLA. `"auto"` does
            not: on a CPU the separate operations are 1.6 times as fast, and for GPUs nobody has measured it yet.

    Attributes:
        loss_scale: `LossScale` for float16, else None.
    """

    def __init__(
        self, strategy, model, optimizer, recipe, mean, color_pca, stop_requested, max_steps_per_call=1, jit="auto"
    ):
        self._strategy, self._model, self._optimizer, self._recipe = strategy, model, optimizer, recipe
        self._logits = keras.Model(model.inputs, model.get_layer("probabilities").input)
        self._mean, self._color_pca = tf.constant(mean), [tf.constant(axis) for axis in color_pca]
        self._stop_requested, self._max_steps_per_call = stop_requested, max_steps_per_call
        self.loss_scale = LossScale() if recipe.precision == "mixed_float16" else None
        compiled = tf.function(self._gradients_of, autograph=False, jit_compile=True)
        self._gradients = compiled if jit == "true" else self._gradients_of
        self._steps = tf.function(self._run_steps, jit_compile=False)

    def __call__(self, batches, rates, multipliers, noise):
        """Runs as many steps as there are rates.

        Args:
            batches: iterator of distributed batches.
            rates: list of floats, the learning rate of each step.
            multipliers: list of lists, `PaperSGD.multipliers` of each step.
            noise: bool, whether there is color noise.

        Returns:
            float64 (5,): sums over examples of top-1 right, top-5 right, loss and weights, and over steps and replicas
            of the stop_requested to stop; and the seconds that were spent waiting for batches.
        """
        padding = self._max_steps_per_call - len(rates)
        totals, waited = self._steps(
            batches, tf.constant(len(rates)),
            tf.constant(np.pad(np.array(rates, np.float32), (0, padding))),
            tf.constant(np.pad(np.array(multipliers, np.float32), ((0, padding), (0, 0)))), noise,
        )  # fmt: skip
        return totals.numpy(), float(waited)

    def _run_steps(self, batches, count, rates, multipliers, noise):
        totals, waited = tf.zeros([5], tf.float64), tf.zeros([], tf.float64)
        for step in tf.range(count):
            with tf.control_dependencies([totals]):
                begun = tf.timestamp()
            with tf.control_dependencies([begun]):
                batch = next(batches)
            with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
                waited += tf.timestamp() - begun
            self._optimizer.learning_rate = rates[step]
            if isinstance(self._optimizer, PaperSGD):
                self._optimizer.multipliers.assign(multipliers[step])
            per_replica = self._strategy.run(self._replica_step, args=(batch, rates[step], noise))
            totals += self._strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        return totals, waited

    # The loop above is all that AutoGraph is needed for.
    @tf.autograph.experimental.do_not_convert
    def _replica_step(self, batch, rate, noise):
        color_pca = self._color_pca if noise else None
        images = pipeline.network_input(batch, self._mean, color_pca, self._recipe.color_noise_divisor)
        scale = self.loss_scale.scale if self.loss_scale else tf.ones([])
        logits, gradients = self._gradients(images, batch["label"], batch["weight"], scale)
        if self.loss_scale:
            gradients, good = self.loss_scale.unscale(gradients)
            self._optimizer.learning_rate = tf.where(good, rate, 0)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        counted = sums(tf.nn.softmax(logits), batch["label"], batch["weight"])
        return tf.concat([counted, [tf.cast(self._stop_requested, tf.float64)]], axis=0)

    def _gradients_of(self, images, labels, weights, scale):
        smoothing = self._recipe.label_smoothing
        # Of what learns alone, so that below a frozen layer nothing is recorded, and no gradient computed.
        learning = self._model.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in learning])
            logits = tf.cast(self._logits(images, training=True), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            if smoothing:
                uniform = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
                losses = (1 - smoothing) * losses + smoothing * uniform
            # A constant divisor, so that replicas' gradients add up to the global batch's.
            loss = tf.reduce_sum(losses * weights) / self._recipe.batch_size * scale
        return logits, tape.gradient(loss, learning)
