"""Error against file size: networks compressed to several sizes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from alexnet_tf.plotting import palette, style

_COLORS = (palette.BLUE, palette.VERMILLION, palette.GREEN)
_MARKERS = "os^"


class Point(NamedTuple):
    """A compressed network: the size of its file in 10^6 bytes, and its top-1 error before and after fine-tuning."""

    megabytes: float
    projected: float
    fine_tuned: float


def draw(networks: Mapping[str, tuple[float, Sequence[Point]]]) -> Figure:
    """Draws the top-1 error of each network by the size of its file, and as a dotted line its error before.

    Args:
        networks: {name: (error before, its compressed networks)}; errors are fractions.
    """
    figure = style.new_figure(7, 4.2)
    axes = figure.subplots()
    for (name, (before, points)), color, marker in zip(networks.items(), _COLORS, _MARKERS, strict=False):
        megabytes, projected, fine_tuned = zip(*sorted(points), strict=True)
        line: dict[str, Any] = {"color": color, "marker": marker, "markersize": 7, "linewidth": 2.2}
        axes.plot(megabytes, fine_tuned, label=f"{name}, fine-tuned", **line)
        axes.plot(megabytes, projected, label=f"{name}, projected", linestyle="--", markerfacecolor="white", **line)
        axes.axhline(before, color=color, linestyle=":", label=f"{name}, before")
    axes.set_title("top-1 error of compressed networks", fontsize=13, fontweight="bold", loc="left")
    axes.set_xlabel("size of tflite_int4, MB", fontsize=12)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.tick_params(labelsize=11)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=11, frameon=False)
    return figure
