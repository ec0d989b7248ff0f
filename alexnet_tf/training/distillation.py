"""Distillation: a network learns from the probabilities that another one, its teacher, gives for the same images.

Reference: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015.
"""

from collections.abc import Sequence

import keras
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.run import Run, load_run

# Within what section 3 and 4 of the reference report: temperatures of 2 to 4 for small networks, and a considerably
# lower weight of the labels.
TEMPERATURE, LABEL_WEIGHT = 2.0, 0.1


def distillation_losses(label_losses: tf.Tensor, logits: tf.Tensor, teacher_logits: tf.Tensor) -> tf.Tensor:
    """The loss of each image: of its label, and of the difference from the teacher's softened probabilities.

    `LABEL_WEIGHT · loss + (1 − LABEL_WEIGHT) · T² · KL(softmax(teacher / T) ‖ softmax(logits / T))`. By the factor T²,
    the gradient does not depend much on the temperature.

    Args:
        label_losses: float32 (batch,).
        logits, teacher_logits: float32 (batch, classes).

    Returns:
        float32 (batch,).
    """
    soft, teacher_soft = (tf.nn.log_softmax(values / TEMPERATURE) for values in (logits, teacher_logits))
    divergence = tf.reduce_sum(tf.exp(teacher_soft) * (teacher_soft - soft), axis=-1)
    return LABEL_WEIGHT * label_losses + (1 - LABEL_WEIGHT) * TEMPERATURE**2 * divergence


def load_teacher(recipe: Recipe, class_names: Sequence[str]) -> Run | None:
    """The run that a recipe's network learns from; None if it learns from the labels alone.

    Raises:
        UserError: as `load_run`, or if its network has other classes or another input size.
    """
    if recipe.teacher is None:
        return None
    teacher = load_run(recipe.teacher)
    if teacher.class_names != tuple(class_names):
        raise UserError(f"teacher must have the classes of dataset {recipe.dataset!r}, got {recipe.teacher!r}")
    size, needed = teacher.recipe.resize_crop, recipe.resize_crop
    if size.crop != needed.crop:
        raise UserError(
            f"teacher must have an input of {needed.crop} pixels, got {recipe.teacher!r} with {size.crop} pixels"
        )
    return teacher


class Teacher:
    """A trained network that gives logits for another network's inputs.

    Args:
        run: the trained network, which computes in float32.
        mean: float32 (crop, crop, 3) or (3,), the mean that is subtracted from the other network's inputs.
    """

    def __init__(self, run: Run, mean: npt.NDArray) -> None:
        self._network = keras.Model(run.model.inputs, run.model.get_layer("probabilities").input)
        self._shift = tf.constant(mean - run.mean)

    def logits(self, inputs: tf.Tensor) -> tf.Tensor:
        """From float32 (batch, crop, crop, 3) to float32 (batch, classes)."""
        return self._network(inputs + self._shift, training=False)
