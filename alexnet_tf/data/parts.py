"""The part of a dataset that is evaluated."""

import dataclasses
import pathlib

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.folder import open_whole_folder
from alexnet_tf.data.joined_split import JoinedSplit
from alexnet_tf.data.sources import Dataset

TRAIN, VALIDATION, ALL = PARTS = ("train", "validation", "all")


def open_part(name: str, part: str | None, seed: int) -> tuple[Dataset, str]:
    """Opens a dataset with one of its parts as its validation set.

    Args:
        name: as for `open_dataset`; of a folder, `val`, `validation` or `test` alone is enough.
        part: one of `PARTS`; if not given, the validation set of a dataset that has one, and all of any other.
        seed: as for `open_dataset`.

    Returns:
        The dataset, and what was taken, in words.

    Raises:
        UserError: if there is no such dataset, or no such part of it.
    """
    kind, _, path = name.partition(":")
    if kind == "folder" and part != TRAIN:
        dataset, root, complete = open_whole_folder(name, path)
        if part is None or (complete and (part == ALL or not dataset.holds_out)):
            return dataset, f"all of {root}"
    dataset = open_dataset(name, seed)
    return select(dataset, part or (ALL if dataset.holds_out else VALIDATION))


def select(dataset: Dataset, part: str) -> tuple[Dataset, str]:
    """The dataset with one of its parts as its validation set, and what was taken, in words."""
    if part == ALL:
        joined = JoinedSplit([dataset.train, dataset.validation])
        return dataclasses.replace(dataset, validation=joined), f"all of {dataset.name}"
    taken = f"{part} part of {dataset.name}"
    if dataset.holds_out:
        taken += ", a tenth of which is held out for validation"
    return dataclasses.replace(dataset, validation=getattr(dataset, part)), taken


def is_same(one: str, other: str) -> bool:
    """Whether two names are of the same dataset, maybe with its path written differently."""
    (kind, _, path), (other_kind, _, other_path) = one.partition(":"), other.partition(":")
    if one == other or kind != other_kind or kind not in ("folder", "tar", "records"):
        return one == other
    return pathlib.Path(path).expanduser().resolve() == pathlib.Path(other_path).expanduser().resolve()
