"""The loss and error of any number of runs over each other."""

import itertools
import os
import pathlib

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

from alexnet_tf.plotting import palette, style

BY = ("epoch", "step")

_MARKERS = "os^Dv"
# Lines of training are thinned to so many points, each the mean of its neighbors.
_POINTS = 60


def names(workdirs):
    """What to call each run: the end of its path, as much of it as tells all of them apart."""
    parts = [pathlib.Path(os.path.abspath(workdir)).parts for workdir in workdirs]
    for length in range(1, max(map(len, parts), default=1) + 1):
        ends = [str(pathlib.Path(*part[-length:])) for part in parts]
        if len(set(ends)) == len(ends):
            return ends
    return [str(workdir) for workdir in workdirs]


def draw(runs, by="epoch"):
    """Draws losses (logarithmic) on the left and top-1 errors on the right: training thin, validation with markers.

    Args:
        runs: {name: (training rows, validation rows)}, rows as `alexnet_tf.training.journal.read_metrics` gives them.
        by: `"epoch"` or `"step"`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if `by` is neither, or no run has a row.
    """
    if by not in BY:
        raise ValueError(f"by must be one of {', '.join(BY)}. Received: by={by!r}")
    if not any(rows for pair in runs.values() for rows in pair):
        raise ValueError(f"workdir must hold a run that has trained some steps. Received: {', '.join(runs)}")
    figure = style.new_figure(10, 4.6)
    loss, error = figure.subplots(1, 2)
    # Where nothing was validated yet, training need not stand back.
    validated = any(validation for _, validation in runs.values())
    width = 1 if validated else 2.2
    looks = zip(itertools.cycle(_MARKERS), itertools.cycle(palette.COLORS), strict=False)
    handles = []
    for (name, (training, validation)), (marker, color) in zip(runs.items(), looks, strict=False):
        for axes, value in ((loss, "loss"), (error, "top1_error")):
            axes.plot(*_thinned(training, by, value), color=color, linewidth=width, alpha=0.7)
            found = _points(validation, by, value)
            axes.plot(*found, color=color, linewidth=2.2, marker=marker, markersize=7, markeredgecolor="white")
        look = {"marker": marker, "markersize": 7} if validated else {}
        handles.append(Line2D([], [], color=color, linewidth=2.2, label=name, **look))
    _finish(loss, error, by)
    if validated:
        _explain(error)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)), fontsize=12, frameon=False)
    return figure


def _points(rows, by, value):
    """Two float arrays: where, and what."""
    return np.array([(row[by], row[value]) for row in rows], float).reshape(-1, 2).T


def _thinned(rows, by, value):
    """As `_points`, means of neighbors."""
    points = _points(rows, by, value)
    pieces = np.array_split(points, min(_POINTS, max(1, points.shape[1])), axis=1)
    return np.stack([piece.mean(axis=1) for piece in pieces], axis=1) if points.size else points


def _finish(loss, error, by):
    loss.set_yscale("log")
    low, high = loss.get_ylim()
    # (the widest span, which marks): as many as there is room for.
    marks = ((4, (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 7)), (30, (1, 2, 3, 5)), (1000, (1, 3)), (np.inf, (1,)))
    loss.yaxis.set_major_locator(LogLocator(subs=next(subs for span, subs in marks if high <= span * low)))
    loss.yaxis.set_major_formatter("{x:g}")
    loss.yaxis.set_minor_formatter(NullFormatter())
    error.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    for axes, title in ((loss, "loss"), (error, "top-1 error")):
        axes.set_title(title, fontsize=13, fontweight="bold", loc="left")
        axes.set_xlabel(by, fontsize=12)
        axes.tick_params(labelsize=11)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)


def _explain(axes):
    """Says which line is which, apart from the runs' colors."""
    kinds = [
        Line2D([], [], color=palette.GRAY, linewidth=1, label="training"),
        Line2D([], [], color=palette.GRAY, linewidth=2.2, marker="o", markersize=7, label="validation"),
    ]
    axes.legend(handles=kinds, fontsize=11, frameon=False)
