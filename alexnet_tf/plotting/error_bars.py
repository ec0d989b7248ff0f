"""Errors of several networks side by side, each with its standard error."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from alexnet_tf.plotting import palette, style


def draw(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draws each row's top-1 error as a point, with bars of one standard error.

    Args:
        rows: dictionaries with `variant` (str), `top1_error` (a fraction) and `images` (a count).
    """
    figure = style.new_figure(max(7, 1.1 * len(rows)), 4.2)
    axes = figure.subplots()
    for x, row in enumerate(rows):
        error = row["top1_error"]
        spread = (error * (1 - error) / row["images"]) ** 0.5
        axes.errorbar(x, error, spread, fmt="o", color=palette.BLUE, capsize=4, markersize=8)
        axes.annotate(f"{error:.1%}", (x, error + spread), (0, 6), textcoords="offset points", ha="center", fontsize=11)
    axes.set_xticks(range(len(rows)), [row["variant"] for row in rows], fontsize=11)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.margins(y=0.15)
    axes.set_title("top-1 error, bars of one standard error", fontsize=13, fontweight="bold", loc="left")
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
