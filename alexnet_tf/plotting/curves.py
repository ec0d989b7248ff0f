"""Loss and error over training, for any number of runs: one figure for runs and for an experiment's variants."""

import itertools
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

from alexnet_tf.errors import UserError
from alexnet_tf.plotting import palette, style
from alexnet_tf.runs.metrics_log import read_metrics

BY = ("epoch", "step")
TITLES = {"loss": "loss", "top1_error": "top-1 error"}

_MARKERS = "os^Dv"
# A training line is thinned to this many points, each the mean of its neighbors.
_MAX_POINTS = 60
# Labels on a logarithmic axis up to a ratio of its ends: as many as there is room for.
_LOG_LABELS = ((4, (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 7)), (30, (1, 2, 3, 5)), (1000, (1, 3)), (np.inf, (1,)))

Rows = Sequence[Mapping[str, Any]]


def draw_runs(workdirs: Sequence[str], by: str = "epoch") -> Figure:
    """Draws the metrics logs of runs, see `draw`.

    Raises:
        UserError: if a directory has no metrics log, or as `draw` does.
    """
    logs = [(read_metrics(workdir, "train"), read_metrics(workdir, "validation")) for workdir in workdirs]
    return draw(dict(zip(run_names(workdirs), logs, strict=True)), by)


def run_names(workdirs: Sequence[str]) -> list[str]:
    """Names each run by the end of its path, as much of it as tells all of them apart."""
    parts = [pathlib.Path(os.path.abspath(workdir)).parts for workdir in workdirs]
    for length in range(1, max(map(len, parts), default=1) + 1):
        ends = [str(pathlib.Path(*part[-length:])) for part in parts]
        if len(set(ends)) == len(ends):
            return ends
    return [str(workdir) for workdir in workdirs]


def draw(
    runs: Mapping[str, tuple[Rows, Rows]],
    by: str = "epoch",
    metrics: Sequence[str] = tuple(TITLES),
    max_points: int = _MAX_POINTS,
) -> Figure:
    """Draws one panel per metric: training as thin lines, validation as thick ones with markers.

    Args:
        runs: {name: (training rows, validation rows)}, the rows as dictionaries with `by` and the metrics.
        by: x axis, one of `BY`.
        metrics: keys of `TITLES`; `loss` gets a logarithmic axis, errors get percentages.
        max_points: training lines are thinned to this many points.

    Raises:
        UserError: if `by` is not allowed, or no run has a row.
    """
    if by not in BY:
        raise UserError(f"by must be one of {', '.join(BY)}, got {by!r}")
    if not any(rows for pair in runs.values() for rows in pair):
        raise UserError(f"workdir must hold a run with logged steps, got {', '.join(runs)}")
    figure = style.new_figure(max(7, 5 * len(metrics)), 4.6)
    panels = dict(zip(metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True))
    validated = any(validation for _, validation in runs.values())
    handles = []
    for (name, (training, validation)), look in zip(runs.items(), _looks(validated), strict=False):
        for metric, axes in panels.items():
            line = {"linewidth": 1, "alpha": 0.7, "linestyle": "-"} if validated else {}
            axes.plot(*_thinned(_points(training, by, metric), max_points), **{**look, **line, "marker": ""})
            axes.plot(*_points(validation, by, metric), **look)
        handles.append(Line2D([], [], label=name, **look))
    for metric, axes in panels.items():
        _finish(axes, metric, by)
    if validated:
        _add_line_legend(panels[metrics[-1]])
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)), fontsize=12, frameon=False)
    return figure


def draw_race(smoothed: Mapping[str, Rows], target: float, epochs_to_target: Mapping[str, float | None]) -> Figure:
    """Draws training errors by epoch, and where each run reached a target: the paper's Figure 1.

    Args:
        smoothed: {name: training rows}.
        target: training error, a fraction.
        epochs_to_target: {name: epochs, or None if the target was not reached}.
    """
    figure = draw({name: (rows, []) for name, rows in smoothed.items()}, metrics=["top1_error"], max_points=1000)
    (axes,) = figure.axes
    axes.set_title("training error", fontsize=13, fontweight="bold", loc="left")
    axes.axhline(target, color=palette.GRAY, linewidth=1, linestyle=(0, (2, 3)))
    for line, epochs in zip(axes.lines[::2], epochs_to_target.values(), strict=False):
        if epochs is not None:
            axes.plot(epochs, target, "o", markersize=8, color=line.get_color())
            # Text goes toward the middle, where there is room.
            side, align = (1, "left") if epochs < sum(axes.get_xlim()) / 2 else (-1, "right")
            axes.annotate(
                f"{epochs:.1f} epochs", (epochs, target), (side * 6, -16), textcoords="offset points", ha=align,
                fontsize=11, color=line.get_color(),
            )  # fmt: skip
    return figure


def _looks(validated: bool) -> Iterable[dict[str, Any]]:
    """An endless series of line styles that stay apart for color-blind readers: by marker, or else by dashes."""
    series = zip(
        itertools.cycle(palette.COLORS), itertools.cycle(_MARKERS), itertools.cycle(palette.LINES), strict=False
    )
    for color, marker, dashes in series:
        if validated:
            yield {"color": color, "linewidth": 2.2, "marker": marker, "markersize": 7, "markeredgecolor": "white"}
        else:
            yield {"color": color, "linewidth": 2.2, "linestyle": dashes}


def _points(rows: Rows, by: str, metric: str) -> npt.NDArray:
    """float (2, rows): x and y."""
    if any(by not in row or metric not in row for row in rows):
        raise UserError(f"metrics must have {by} and {metric} in every line, got none in one of them")
    return np.array([(row[by], row[metric]) for row in rows], float).reshape(-1, 2).T


def _thinned(points: npt.NDArray, max_points: int) -> npt.NDArray:
    """At most `max_points` means of neighboring points."""
    pieces = np.array_split(points, min(max_points, max(1, points.shape[1])), axis=1)
    return np.stack([piece.mean(axis=1) for piece in pieces], axis=1) if points.size else points


def _finish(axes: Axes, metric: str, by: str) -> None:
    if metric == "loss":
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=next(subs for ratio, subs in _LOG_LABELS if high <= ratio * low)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_title(TITLES[metric], fontsize=13, fontweight="bold", loc="left")
    axes.set_xlabel(by, fontsize=12)
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(labelsize=11)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _add_line_legend(axes: Axes) -> None:
    """Explains thin and thick lines; the runs' own legend explains the colors."""
    kinds = [
        Line2D([], [], color=palette.GRAY, linewidth=1, label="training"),
        Line2D([], [], color=palette.GRAY, linewidth=2.2, marker="o", markersize=7, label="validation"),
    ]
    axes.legend(handles=kinds, fontsize=11, frameon=False)
