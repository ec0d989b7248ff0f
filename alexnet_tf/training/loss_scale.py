"""The scale that keeps float16's gradients from vanishing."""

import tensorflow as tf

FIRST_SCALE = 2.0**15
STEPS_TO_GROW = 2000


class LossScale:
    """A factor on the loss, halved when gradients overflow and doubled after 2000 steps in which they did not.

    Keras' own (`LossScaleOptimizer`) looks at one replica's gradients alone, before they are added up; this one asks
    all replicas, so that they skip a step together.

    Reference: Micikevicius et al., Mixed Precision Training, 2018, section 3.2.
    """

    def __init__(self):
        options = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.scale = tf.Variable(FIRST_SCALE, name="loss_scale", **options)
        self.good_steps = tf.Variable(0, name="good_steps", **options)

    @property
    def state(self):
        """What a checkpoint keeps of it."""
        return [self.scale, self.good_steps]

    def unscale(self, gradients):
        """Divides gradients by the scale, and adapts it. Call it in a replica.

        Returns:
            The gradients, zeros if any replica's overflowed, and whether none did, a bool scalar.
        """
        here = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
        overflows = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, tf.cast(tf.logical_not(here), tf.float32)
        )
        good, scale = tf.equal(overflows, 0), tf.identity(self.scale)
        count = tf.where(good, self.good_steps + 1, 0)
        grow = count >= STEPS_TO_GROW
        self.scale.assign(tf.where(good, tf.where(grow, 2 * scale, scale), scale / 2))
        self.good_steps.assign(tf.where(grow, 0, count))
        return [tf.where(good, gradient / scale, 0) for gradient in gradients], good
