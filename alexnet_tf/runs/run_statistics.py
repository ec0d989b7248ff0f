"""The statistics of a run's training set: computed once, and stored in its workdir."""

import pathlib

from alexnet_tf.data import statistics
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.pipeline import read_split
from alexnet_tf.data.sources import Dataset
from alexnet_tf.data.statistics import Statistics
from alexnet_tf.runs import layout
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.source import source_statistics, with_source_mean


def load_or_compute_statistics(recipe: Recipe, workdir: pathlib.Path, dataset: Dataset, writes: bool) -> Statistics:
    """The statistics in the workdir; else those of the run that the weights are from; else the training set's.

    If the weights are from a file with a mean image, the training set's have that one.

    Args:
        recipe: the run's recipe.
        workdir: directory of the run.
        dataset: the run's dataset.
        writes: whether this process stores them, which is the chief's task.
    """
    path = workdir / layout.STATISTICS
    if path.exists():
        return Statistics.load(path)
    result = source_statistics(recipe) or with_source_mean(_compute(recipe, dataset), recipe.weights)
    if writes:
        result.save(path)
    return result


def _compute(recipe: Recipe, dataset: Dataset) -> Statistics:
    """Those that come with a prepared dataset, if their size fits, or a pass over training images."""
    count = min(recipe.statistics_examples or dataset.train.count, dataset.train.count)
    resize = recipe.resize_crop.resize
    if dataset.statistics and dataset.statistics.mean_image.shape[0] == resize:
        return dataset.statistics
    # In training order, so that the first images of a dataset sorted by class are still a fair sample.
    batches = read_split(
        dataset.train, len(dataset.class_names), min(64, count), ResizeCrop(resize, resize), count=count,
        seed=recipe.seed,
    )  # fmt: skip
    return statistics.collect((examples.images for examples in batches), Progress("statistics", count).update)
