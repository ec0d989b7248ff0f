"""The mean and the colors of what a run learns from."""

from alexnet_tf.data import pipeline, statistics
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.recipes import source_run
from alexnet_tf.runs.run import STATISTICS


def load_or_compute_statistics(recipe, workdir, dataset, writes):
    """The training set's statistics, or those that the weights came with; settled once a run, kept in its workdir.

    Args:
        recipe: `Recipe`.
        workdir: `pathlib.Path` of the run.
        dataset: `Dataset`.
        writes: whether they are kept, which is the chief's task.

    Returns:
        `alexnet_tf.data.statistics.Statistics`.
    """
    path = workdir / STATISTICS
    if path.exists():
        return statistics.Statistics.load(path)
    found = source_statistics(recipe) or _taken(recipe, dataset)
    if writes:
        found.save(path)
    return found


def _taken(recipe, dataset):
    count = min(recipe.statistics_examples or dataset.train.count, dataset.train.count)
    resize = recipe.resize_crop.resize
    if dataset.statistics and dataset.statistics.mean_image.shape[0] == resize:
        return dataset.statistics
    # In training order, so that a part of a set sorted by class is still a fair sample.
    batches = pipeline.evaluation_batches(
        dataset.train, len(dataset.class_names), min(64, count), ResizeCrop(resize, resize), count=count,
        seed=recipe.seed,
    )  # fmt: skip
    progress = Progress("statistics", count)
    return statistics.collect(batches.map(lambda batch: (batch["image"], batch["weight"])), progress.update)


def source_statistics(recipe):
    """The `Statistics` that belong to the weights, if a run's: what the lower layers know is relative to its mean."""
    source = source_run(recipe.weights) if recipe.weights else None
    return statistics.Statistics.load(source / STATISTICS) if source else None
