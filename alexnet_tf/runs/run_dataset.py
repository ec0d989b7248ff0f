"""The dataset of a run: the one that it began with, or with the user's consent a changed one."""

import pathlib

from alexnet_tf.data import datasets
from alexnet_tf.data.file_list import FileList, keep_parts, list_files
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError
from alexnet_tf.runs import layout
from alexnet_tf.runs.recipe import Recipe

# The content of these depends on their name only.
_FIXED = "builtin:"


def open_run_dataset(recipe: Recipe, workdir: pathlib.Path) -> Dataset:
    """Opens the dataset of a run, with every file in the part, training or held out, in which it was at the start."""
    dataset, file = datasets.open_dataset(recipe.dataset, recipe.dataset_seed), workdir / layout.FILES
    return keep_parts(dataset, FileList.load(file)) if file.is_file() else dataset


def check_unchanged(dataset: Dataset, workdir: pathlib.Path, accept: bool) -> FileList | None:
    """Compares a dataset with the list of files in a workdir.

    Args:
        dataset: what `open_run_dataset` returned.
        workdir: directory of the run.
        accept: whether changes are accepted.

    Returns:
        The list to store in the workdir; None if nothing is to be stored.

    Raises:
        UserError: if files were added, removed or changed since the run began, unless that is accepted.
    """
    if dataset.name.startswith(_FIXED):
        return None
    now, file = list_files(dataset, sizes=True), workdir / layout.FILES
    changes = FileList.load(file).changes(now) if file.is_file() else ""
    if changes and not accept:
        raise UserError(
            f"dataset must be as it was when the run in {str(workdir)!r} began, got {dataset.name!r} with files "
            f"{changes}. Undo that, use a new workdir, or add --accept_changed_data: held-out images stay held out"
        )
    return now if changes or not file.is_file() else None
