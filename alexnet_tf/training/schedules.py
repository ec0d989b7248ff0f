"""Learning rates as functions of the step; only the plateau schedule has a state."""

import dataclasses
import math
from collections.abc import Sequence

from alexnet_tf.runs.recipe import Recipe


@dataclasses.dataclass
class Plateau:
    """Counts how often the validation error has stopped improving (section 5).

    Attributes:
        best: the lowest top-1 error so far.
        waited: validations since then, or since the last drop.
        drops: how often the learning rate was divided by 10.
    """

    best: float = float("inf")
    waited: int = 0
    drops: int = 0

    def update(self, error: float, patience: int, max_drops: int) -> None:
        """Takes in a validation.

        Args:
            error: its top-1 error.
            patience: validations without a lower error after which a drop is counted.
            max_drops: the most drops.
        """
        if error < self.best:
            self.best, self.waited = error, 0
            return
        self.waited += 1
        if self.waited >= patience and self.drops < max_drops:
            self.drops, self.waited = self.drops + 1, 0


def schedule_factor(recipe: Recipe, step: int, steps_per_epoch: int, total_steps: int, drops: int) -> float:
    """The factor in [0, 1] on the recipe's learning rate at a step.

    Args:
        recipe: the run's recipe.
        step: counted from 0.
        steps_per_epoch, total_steps: lengths of an epoch and of the run, in steps.
        drops: of the `Plateau`.
    """
    warmup = min(1.0, (step + 1) / recipe.warmup_steps) if recipe.warmup_steps else 1.0
    if recipe.schedule == "plateau":
        factor = 0.1**drops
    elif recipe.schedule == "milestones":
        factor = 0.1 ** sum(step // steps_per_epoch >= epoch for epoch in recipe.milestones)
    elif recipe.schedule == "linear":
        factor = min(1.0, (1 - step / total_steps) / recipe.decay_fraction)
    elif recipe.schedule == "cosine":
        factor = (1 + math.cos(math.pi * step / total_steps)) / 2
    else:
        factor = 1.0
    return warmup * factor


def variable_rates(recipe: Recipe, paths: Sequence[str], factor: float, epoch: int) -> list[float]:
    """The learning rate of each variable.

    Args:
        recipe: the run's recipe.
        paths: paths of the variables, such as `conv1/kernel`.
        factor: of `schedule_factor`.
        epoch: counted from 0.
    """
    rates, head = [], f"{recipe.network.head}/"
    for path in paths:
        rate = recipe.peak_learning_rate * factor
        if path.endswith("bias"):
            rate = recipe.peak_learning_rate * recipe.bias_lr_multiplier * (factor if recipe.schedule_biases else 1.0)
        if path.startswith(head):
            rate *= recipe.head_lr_multiplier
        for layer in recipe.layer_learning_rates:
            if path.startswith(layer.prefix) and epoch >= layer.epoch:
                rate = layer.learning_rate
        rates.append(rate)
    return rates
