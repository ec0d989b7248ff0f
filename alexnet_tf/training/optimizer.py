"""The paper's update rule and a single-pass Adam, as Keras optimizers."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.models.private_api import local_variable, variable_index
from alexnet_tf.runs.recipe import Recipe


def paper_update(
    weight: tf.Variable, velocity: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor, momentum: float, decay: float
) -> None:
    """Updates in place: `v ← μ·v − λ·ε·w − ε·g`, then `w ← w + v`.

    TensorFlow's fused operations take two passes over memory. Plain arithmetic takes nine, and a quarter of the whole
    training step on a CPU. A learning rate of 0 leaves both variables unchanged, bit for bit.

    Args:
        weight, velocity: float32 variables of one shape (w and v).
        gradient: float32 tensor of that shape (g), of the mean loss over the global batch.
        rate: scalar learning rate ε.
        momentum: μ in (0, 1).
        decay: weight decay λ.

    Reference: section 5 of the paper; `layer.cu` of the 2012 code for what a learning rate of 0 skips.
    """

    def update() -> bool:
        if decay:
            # The next operation multiplies this by the momentum again.
            tf.raw_ops.ResourceApplyGradientDescent(var=velocity.handle, alpha=rate * (decay / momentum), delta=weight)
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=weight.handle, accum=velocity.handle, lr=rate, grad=gradient, momentum=momentum
        )
        return True

    tf.cond(rate > 0, update, lambda: False)


@keras.saving.register_keras_serializable("alexnet_tf")
class PaperSGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent as in section 5 of the paper, with a learning rate multiplier per variable.

    Args:
        learning_rate: ε, or a Keras schedule.
        momentum: in (0, 1).
        decay: weight decay, 0.0005 in the paper; it acts inside the velocity, multiplied by the learning rate.
        decay_biases: whether weight decay is applied to variables named `bias`.
        layer_decays: (prefix, decay) pairs: variables whose path starts with the prefix have that weight decay instead.
        name: name of the optimizer.
        **kwargs: as for `keras.optimizers.Optimizer`.

    Attributes:
        multipliers: float32 vector with a factor on the learning rate of each variable, in the order of `build`.
            Assign to it to slow down, speed up or freeze layers.

    Raises:
        UserError: if the momentum is not in (0, 1).
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        momentum: float = 0.9,
        decay: float = 0.0005,
        decay_biases: bool = True,
        layer_decays: Sequence[tuple[str, float]] = (),
        name: str = "paper_sgd",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        if not 0 < momentum < 1:
            raise UserError(f"momentum must be above 0 and below 1, got {momentum}")
        self.momentum = momentum
        self.decay = decay
        self.decay_biases = decay_biases
        self.layer_decays = tuple((prefix, decay) for prefix, decay in layer_decays)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the velocities; called once, with the trainable variables."""
        if self.built:
            return
        super().build(variables)
        self.velocities = [self.add_variable_from_reference(v, name="velocity") for v in variables]
        self.decays = [self._decay_of(v) for v in variables]
        self.multipliers = self.add_variable((len(variables),), initializer="ones", name="multipliers")

    def _decay_of(self, variable: keras.Variable) -> float:
        if variable.name == "bias" and not self.decay_biases:
            return 0.0
        return next((decay for prefix, decay in self.layer_decays if variable.path.startswith(prefix)), self.decay)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates one variable, in a replica."""
        index = variable_index(self, variable)
        rate = tf.cast(learning_rate, tf.float32) * self.multipliers.value[index]
        rate *= self.trust(gradient, variable, self.decays[index])
        velocity = local_variable(self.velocities[index])
        paper_update(variable, velocity, gradient, rate, self.momentum, self.decays[index])

    def trust(self, gradient: tf.Tensor, variable: tf.Variable, decay: float) -> float | tf.Tensor:
        """A further factor on the learning rate of one variable, for subclasses."""
        return 1.0

    def get_config(self) -> dict[str, Any]:
        """See `keras.optimizers.Optimizer.get_config`."""
        own = {"momentum": self.momentum, "decay": self.decay, "decay_biases": self.decay_biases}
        return {**super().get_config(), **own, "layer_decays": self.layer_decays}


@keras.saving.register_keras_serializable("alexnet_tf")
class LARS(PaperSGD):
    """`PaperSGD` with a learning rate adapted to each layer, which makes large batches train.

    The learning rate of a kernel is multiplied by `trust_ratio · ‖w‖ / (‖g‖ + λ·‖w‖)`; that of biases and other
    vectors is unchanged.

    Args:
        trust_ratio: how far a kernel may move in a step, as a fraction of its norm at learning rate 1.
        *args, **kwargs: as for `PaperSGD`.

    Reference: You, Gitman and Ginsburg, Large Batch Training of Convolutional Networks, 2017.
    """

    def __init__(self, *args: Any, trust_ratio: float = 0.001, **kwargs: Any) -> None:
        super().__init__(*args, **{"name": "lars", **kwargs})
        self.trust_ratio = trust_ratio

    def trust(self, gradient: tf.Tensor, variable: tf.Variable, decay: float) -> float | tf.Tensor:
        """See the class."""
        if variable.shape.rank < 2:
            return 1.0
        weight_norm, gradient_norm = tf.norm(variable), tf.norm(gradient)
        norms = gradient_norm + decay * weight_norm
        return tf.where((weight_norm > 0) & (norms > 0), self.trust_ratio * weight_norm / norms, 1.0)

    def get_config(self) -> dict[str, Any]:
        """See `keras.optimizers.Optimizer.get_config`."""
        return {**super().get_config(), "trust_ratio": self.trust_ratio}


@keras.saving.register_keras_serializable("alexnet_tf")
class FusedAdam(keras.optimizers.Optimizer):
    """`keras.optimizers.Adam` as TensorFlow's fused Adam operation: the same numbers in a fifth of the time.

    A learning rate of 0 leaves weights and moments unchanged.

    Args:
        learning_rate: a number or a Keras schedule.
        beta_1, beta_2: decay rates of the two moments.
        epsilon: added to the root of the second moment.
        name: name of the optimizer.
        **kwargs: as for `keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "fused_adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the moments; called once, with the trainable variables."""
        if self.built:
            return
        super().build(variables)
        self.first_moments = [self.add_variable_from_reference(v, name="momentum") for v in variables]
        self.second_moments = [self.add_variable_from_reference(v, name="velocity") for v in variables]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates one variable, in a replica."""
        index = variable_index(self, variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        rate = tf.cast(learning_rate, tf.float32)

        def update() -> bool:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=local_variable(self.first_moments[index]).handle,
                v=local_variable(self.second_moments[index]).handle,
                beta1_power=self.beta_1**step, beta2_power=self.beta_2**step, lr=rate,
                beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon, grad=gradient,
            )  # fmt: skip
            return True

        tf.cond(rate > 0, update, lambda: False)

    def get_config(self) -> dict[str, Any]:
        """See `keras.optimizers.Optimizer.get_config`."""
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


def build_optimizer(recipe: Recipe) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe, at its peak learning rate."""
    if recipe.optimizer == "adam":
        return FusedAdam(recipe.peak_learning_rate)
    kind = LARS if recipe.optimizer == "lars" else PaperSGD
    decays = [(layer.prefix, layer.decay) for layer in recipe.layer_decays]
    return kind(recipe.peak_learning_rate, recipe.momentum, recipe.weight_decay, recipe.decay_biases, decays)
