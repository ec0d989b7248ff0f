"""Which part of a dataset is its validation set."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from alexnet_tf.errors import UserError

# Names of a validation set, in order of preference.
VALIDATION_NAMES = ("validation", "val", "test")
# The part of the training images that is held out where there is no validation set.
HELD_OUT_PERCENT = 10

File = TypeVar("File")
FilesByClass = Mapping[str, Sequence[File]]


def hold_out(
    by_class: FilesByClass[File], name: str, seed: int
) -> tuple[dict[str, Sequence[File]], dict[str, Sequence[File]]]:
    """Splits {class name: files} into a training set and a tenth of each class, at least one file.

    Raises:
        UserError: if a class has only one file.
    """
    train: dict[str, Sequence[File]] = {}
    held_out: dict[str, Sequence[File]] = {}
    for number, (class_name, files) in enumerate(by_class.items()):
        if len(files) < 2:
            raise UserError(f"dataset {name!r}: class {class_name!r} must have at least 2 images, got 1")
        order = np.random.default_rng([seed, number]).permutation(len(files))
        cut = max(1, round(HELD_OUT_PERCENT / 100 * len(files)))
        held_out[class_name] = [files[i] for i in sorted(order[:cut])]
        train[class_name] = [files[i] for i in sorted(order[cut:])]
    return train, held_out
