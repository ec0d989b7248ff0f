"""What a run wrote down while it trained."""

import collections

import numpy as np

from alexnet_tf.training.journal import read_metrics

Point = collections.namedtuple("Point", "step epoch error")


def history(workdir, kind):
    """A run's top-1 errors, in the order of its steps.

    Args:
        workdir: directory of the run.
        kind: `"train"` (means over the steps since the point before) or `"validation"`.

    Returns:
        A list of `Point`: step (int), epoch (a fraction) and error (a share).
    """
    return [Point(row["step"], row["epoch"], row["top1_error"]) for row in read_metrics(workdir, kind)]


def smoothed(points, span):
    """The mean error of the `span` epochs before each point; points with less before them are left out."""
    epochs, errors = np.array([point.epoch for point in points]), np.array([point.error for point in points])
    # Epochs are sums of fractions: a billionth keeps a point from falling off either end.
    first = np.searchsorted(epochs, epochs - span + 1e-9)
    return [
        point._replace(error=float(errors[first[last] : last + 1].mean()))
        for last, point in enumerate(points)
        if point.epoch >= span - 1e-9
    ]
