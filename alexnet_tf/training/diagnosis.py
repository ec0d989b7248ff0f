"""Warnings about data and training that cannot lead to a good network."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# A loss within this fraction of ln(classes) for this many steps counts as stuck.
STUCK_FRACTION, STUCK_STEPS = 0.005, 500

# The ratio of the largest class to the smallest that causes a warning, and the most classes that are all listed.
IMBALANCE, LISTED_CLASSES = 10, 20


class StuckLoss:
    """Detects a loss that stays at ln(classes), that of equal probabilities; warns once.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int) -> None:
        self._level, self._warned = math.log(classes), False
        self._since: int | None = None

    def check(self, step: int, loss: float, learning_rate: float) -> str | None:
        """Takes in the loss at a step; returns a warning, or None."""
        if abs(loss / self._level - 1) > STUCK_FRACTION:
            self._since = None
        elif self._since is None:
            self._since = step
        elif step - self._since >= STUCK_STEPS and not self._warned:
            self._warned = True
            return (
                f"warning: the loss has stayed at ln(classes) = {self._level:.3f} since step {self._since}: the "
                "network gives the same probabilities for every image. Likely reasons: an initialization that does not "
                "suit the network (try --initialization=he), a learning rate that is too low or too high (now "
                f"{learning_rate:g}), or wrong labels"
            )
        return None


def class_balance(labels: npt.NDArray[np.int64], class_names: Sequence[str]) -> list[str]:
    """Describes the number of training images per class in a line, with a second one as a warning of imbalance.

    Args:
        labels: (images,).
        class_names: names of the classes.
    """
    counts = np.bincount(labels, minlength=len(class_names))
    extremes = int(counts.argmin()), int(counts.argmax())
    smallest, largest = (f"{counts[label]:,} ({class_names[label]})" for label in extremes)
    listed = ", ".join(f"{name} {count:,}" for name, count in zip(class_names, counts, strict=True))
    few = len(class_names) <= LISTED_CLASSES
    lines = [f"images per class: {listed if few else f'min {smallest}, max {largest}'}"]
    if counts.max() > IMBALANCE * counts.min():
        lines.append(
            f"warning: imbalanced classes: min {smallest}, max {largest}. The network will favor large classes, "
            "and the overall error says little about small ones: look at the error of each class"
        )
    return lines
