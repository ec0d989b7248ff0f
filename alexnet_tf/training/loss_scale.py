"""The scale that keeps float16 gradients from vanishing."""

from collections.abc import Sequence

import tensorflow as tf

INITIAL_SCALE = 2.0**15
STEPS_TO_GROW = 2000


class LossScale:
    """A factor on the loss, halved when gradients overflow and doubled after 2000 steps without an overflow.

    Keras' `LossScaleOptimizer` looks at the gradients of one replica before they are added up. This class asks all
    replicas, so that they skip a step together.

    Attributes:
        scale: float32 scalar variable.
        good_steps: int32 scalar variable, the steps since the scale last changed.

    Reference: Micikevicius et al., Mixed Precision Training, 2018, section 3.2.
    """

    def __init__(self) -> None:
        options = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.scale = tf.Variable(INITIAL_SCALE, name="loss_scale", **options)
        self.good_steps = tf.Variable(0, name="good_steps", **options)

    @property
    def state(self) -> list[tf.Variable]:
        """The variables that a checkpoint must hold."""
        return [self.scale, self.good_steps]

    def unscale(self, gradients: Sequence[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Divides gradients by the scale and adapts the scale. Call it in a replica.

        Returns:
            The gradients, all zeros if those of any replica overflowed; and a bool scalar, whether none did.
        """
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
        overflows = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, tf.cast(tf.logical_not(finite), tf.float32)
        )
        good, scale = tf.equal(overflows, 0), tf.identity(self.scale)
        count = tf.where(good, self.good_steps + 1, 0)
        grow = count >= STEPS_TO_GROW
        self.scale.assign(tf.where(good, tf.where(grow, 2 * scale, scale), scale / 2))
        self.good_steps.assign(tf.where(grow, 0, count))
        return [tf.where(good, gradient / scale, 0) for gradient in gradients], good
