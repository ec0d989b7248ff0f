"""Evaluation of trained networks by path, on images that none of them was trained on."""

import os
from collections.abc import Callable, Sequence

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.ensembles import EnsembleMetrics, evaluate_ensemble
from alexnet_tf.evaluation.evaluator import BATCH_SIZE, check_classes, evaluate
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.runs.opening import open_predictor
from alexnet_tf.runs.run import Run, is_run, load_run

# The validation sets of these datasets do not depend on a seed.
FIXED_VALIDATION = ("records:", "tfds:")


def evaluate_paths(
    paths: Sequence[str | os.PathLike],
    dataset: str | None = None,
    best: bool = False,
    weights: Sequence[float] | str | None = None,
    batch_size: int = BATCH_SIZE,
    views: int = 1,
    progress: Callable[[int], Callable[[int], None]] = lambda total: lambda examples: None,
) -> Metrics | EnsembleMetrics:
    """Evaluates a network, or the mean of several, on held-out images.

    Args:
        paths: what `open_predictor` opens, one for each network.
        dataset: name of another dataset with the same classes; the runs' own validation set if not given.
        best: True for the checkpoints with the lowest top-1 validation error instead of the newest.
        weights: as for `evaluate_ensemble`; with several networks only.
        batch_size: images at a time.
        views: 1 for the central crop, or 10 for the views of section 4.1.
        progress: called with the number of images; returns a function that is called with the number so far.

    Returns:
        `Metrics` of one network, `EnsembleMetrics` of several.

    Raises:
        UserError: if a path holds no network, the networks do not fit together or to the dataset, or one of them may
            have been trained on images that another one held out.
    """
    if weights is not None and len(paths) < 2:
        raise UserError(f"ensemble_weights must be given with several networks only, got {len(paths)}")
    runs = {path: load_run(path, best) for path in paths if is_run(path)}
    predictors = [runs[path].predictor() if path in runs else open_predictor(path) for path in paths]
    opened = _open_dataset(dataset, list(runs.values()))
    check_classes(predictors[0], opened)
    update = progress(opened.validation.count)
    if len(predictors) == 1:
        return evaluate(predictors[0], opened, batch_size, views, update)
    return evaluate_ensemble(predictors, opened.validation, weights, batch_size, views, update)


def _open_dataset(name: str | None, runs: list[Run]) -> Dataset:
    """The named dataset, or the one that all runs have in common."""
    if name:
        return open_dataset(name, runs[0].recipe.dataset_seed if runs else 0)
    if not runs:
        raise UserError("dataset must be given to evaluate exports without a run")
    for run in runs:
        if not _same_validation(run, runs[0]):
            raise UserError(
                "networks must hold out the same images, or dataset must name images that none was trained on, got "
                f"{_origin(runs[0])} and {_origin(run)}"
            )
    return runs[0].dataset


def _same_validation(run: Run, other: Run) -> bool:
    if run.recipe.dataset != other.recipe.dataset:
        return False
    if run.recipe.dataset_seed == other.recipe.dataset_seed or run.recipe.dataset.startswith(FIXED_VALIDATION):
        return True
    # A dataset with a validation set of its own does not depend on the seed.
    names = run.dataset.validation.names
    return names is not None and names == other.dataset.validation.names


def _origin(run: Run) -> str:
    return f"{str(run.workdir)!r} with {run.recipe.dataset} and data seed {run.recipe.dataset_seed}"
