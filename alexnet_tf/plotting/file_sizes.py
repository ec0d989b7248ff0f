"""Error against file size: one network compressed to several sizes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from alexnet_tf.plotting import palette, style


def draw(panels: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draws one panel per network: top-1 error at the start of the fine-tuning and after it, by the size of the file.

    Args:
        panels: {title: rows}, each row with `megabytes` and the fractions `before`, `start` and `after`.
    """
    figure = style.new_figure(max(7, 5 * len(panels)), 4.2)
    for axes, (title, rows) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        rows = sorted(rows, key=lambda row: row["megabytes"])
        sizes = [row["megabytes"] for row in rows]
        for name, label, look in (
            ("start", "projected", {"color": palette.VERMILLION, "marker": "s", "linestyle": "--"}),
            ("after", "fine-tuned", {"color": palette.BLUE, "marker": "o"}),
        ):
            axes.plot(sizes, [row[name] for row in rows], label=label, linewidth=2.2, markersize=7, **look)
        axes.axhline(rows[0]["before"], color=palette.GRAY, linestyle=":", label="not compressed")
        axes.set_title(title, fontsize=13, fontweight="bold", loc="left")
        axes.set_xlabel("size of tflite_int4, MB", fontsize=12)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        axes.tick_params(labelsize=11)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("top-1 error", fontsize=12)
    figure.axes[-1].legend(fontsize=11, frameon=False)
    return figure
