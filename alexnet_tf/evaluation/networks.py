"""Evaluation of trained networks by path, on images that none of them was trained on."""

import os
from collections.abc import Callable, Sequence

from alexnet_tf.data.parts import VALIDATION, is_same, open_part, select
from alexnet_tf.data.sources import Dataset
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.ensembles import EnsembleMetrics, evaluate_ensemble
from alexnet_tf.evaluation.evaluator import BATCH_SIZE, check_classes, evaluate
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.runs.opening import open_model
from alexnet_tf.runs.run import Run, is_run

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
    part: str | None = None,
    announce: Callable[[Dataset, str], None] = lambda dataset, taken: None,
    preset: str | None = None,
    labels: str | os.PathLike | None = None,
) -> Metrics | EnsembleMetrics:
    """Evaluates a network, or the mean of several, on held-out images.

    Args:
        paths: what `open_predictor` opens, one for each network.
        dataset: name of another dataset with the same classes; the runs' own if not given.
        best: True for the checkpoints with the lowest top-1 validation error instead of the newest.
        weights: as for `evaluate_ensemble`; with several networks only.
        batch_size: images at a time.
        views: 1 for the central crop, or 10 for the views of section 4.1.
        progress: called with the number of images; returns a function that is called with the number so far.
        part: "train", "validation" or "all". If not given: the validation set of a dataset that has one or that a run
            was trained on, and all of any other.
        announce: called with the dataset, whose validation set is what will be evaluated, and what that is in words.
        preset, labels: as for `open_predictor`.

    Returns:
        `Metrics` of one network, `EnsembleMetrics` of several.

    Raises:
        UserError: if a path holds no network, the networks do not fit together or to the dataset, or one of them may
            have been trained on images that another one held out.
    """
    if weights is not None and len(paths) < 2:
        raise UserError(f"ensemble_weights must be given with several networks only, got {len(paths)}")
    if best and not any(map(is_run, paths)):
        raise UserError(f"best must be given with a run, got {', '.join(map(str, paths))}")
    models = [open_model(path, best and is_run(path), preset, labels) for path in paths]
    predictors = [model.predictor for model in models]
    opened, taken = _open_dataset(dataset, part, [model.run for model in models if model.run])
    check_classes(predictors[0], opened)
    announce(opened, taken)
    update = progress(opened.validation.count)
    if len(predictors) == 1:
        return evaluate(predictors[0], opened, batch_size, views, update)
    return evaluate_ensemble(predictors, opened.validation, weights, batch_size, views, update)


def _open_dataset(name: str | None, part: str | None, runs: list[Run]) -> tuple[Dataset, str]:
    """The named dataset, or the one that all runs have in common, with the part to evaluate as its validation set."""
    if name:
        trained = next((run for run in runs if is_same(run.recipe.dataset, name)), None)
        if trained:
            return select(trained.dataset, part or VALIDATION)
        return open_part(name, part, runs[0].recipe.dataset_seed if runs else 0)
    if not runs:
        raise UserError("dataset must be given to evaluate networks without a run")
    for run in runs:
        if not _same_validation(run, runs[0]):
            raise UserError(
                "networks must hold out the same images, or dataset must name images that none was trained on, got "
                f"{_origin(runs[0])} and {_origin(run)}"
            )
    return select(runs[0].dataset, part or VALIDATION)


def _same_validation(run: Run, other: Run) -> bool:
    if run.recipe.dataset != other.recipe.dataset:
        return False
    if run.recipe.dataset.startswith(FIXED_VALIDATION):
        return True
    # Names, where they are known: seeds have no effect on a dataset with a validation set of its own, and a run that
    # accepted a changed dataset holds out what it held out before.
    names = run.dataset.validation.names
    if names is None:
        return run.recipe.dataset_seed == other.recipe.dataset_seed
    return list(names) == list(other.dataset.validation.names or ())


def _origin(run: Run) -> str:
    return f"{str(run.workdir)!r} with {run.recipe.dataset} and data seed {run.recipe.dataset_seed}"
