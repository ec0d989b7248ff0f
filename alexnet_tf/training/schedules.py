"""Learning rates as functions of the step; the only state is the plateau's."""

import dataclasses
import math

from alexnet_tf.models.presets import get_preset


@dataclasses.dataclass
class Plateau:
    """Counts how often validation error has stopped improving (section 5).

    Attributes:
        best: the lowest top-1 error so far.
        waited: evaluations since then.
        drops: plateaus so far; each divides the rate by ten.
    """

    best: float = float("inf")
    waited: int = 0
    drops: int = 0

    def update(self, error, patience, max_drops):
        """Takes one validation's top-1 error; after `patience` without a better one, counts a drop, up to `max_drops`."""
        if error < self.best:
            self.best, self.waited = error, 0
            return
        self.waited += 1
        if self.waited >= patience and self.drops < max_drops:
            self.drops, self.waited = self.drops + 1, 0


def schedule_factor(recipe, step, steps_per_epoch, total_steps, drops):
    """The factor on the recipe's learning rate at a step, counted from 0.

    Args:
        recipe: a `Recipe`.
        step: int, counted from 0.
        steps_per_epoch, total_steps: ints.
        drops: of the `Plateau`.

    Returns:
        A float in [0, 1].
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


def variable_rates(recipe, paths, factor, epoch):
    """The rate of each variable.

    Args:
        recipe: a `Recipe`.
        paths: variables' paths, as `conv1/kernel`.
        factor: of `schedule_factor`.
        epoch: int, counted from 0.

    Returns:
        A list of floats, one a path.
    """
    rates, head = [], f"{get_preset(recipe.preset).head}/"
    for path in paths:
        rate = recipe.peak_learning_rate * factor
        if path.endswith("bias"):
            rate = recipe.peak_learning_rate * recipe.bias_lr_multiplier * (factor if recipe.schedule_biases else 1.0)
        if path.startswith(head):
            rate *= recipe.head_lr_multiplier
        for layer in recipe.layer_learning_rates:
            if path.startswith(layer.prefix) and epoch >= layer.epoch:
                rate = layer.rate
        rates.append(rate)
    return rates
