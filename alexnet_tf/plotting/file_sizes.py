"""Error against file size of networks that are compressed to several sizes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from alexnet_tf.plotting import palette, style

_COLORS = (palette.BLUE, palette.VERMILLION, palette.GREEN)
_MARKERS = "os^"


class Point(NamedTuple):
    """A compressed network: the size of its file in 10^6 bytes, and its top-1 error before and after fine-tuning."""

    megabytes: float
    projected: float
    fine_tuned: float


def draw(networks: Mapping[str, tuple[float, Sequence[Point]]]) -> Figure:
    """Draws by how many percentage points the top-1 error rose, by the size of the file.

    Args:
        networks: {name: (error before, its compressed networks)}; errors are fractions.
    """
    figure = style.new_figure(7, 4.2)
    axes = figure.subplots()
    for (name, (before, points)), color, marker in zip(networks.items(), _COLORS, _MARKERS, strict=False):
        megabytes, *errors = np.transpose(sorted(points))
        line: dict[str, Any] = {"color": color, "marker": marker, "markersize": 7, "linewidth": 2.2}
        projected, fine_tuned = 100 * (np.array(errors) - before)
        axes.plot(megabytes, projected, label=f"{name}, projected", linestyle="--", markerfacecolor="white", **line)
        axes.plot(megabytes, fine_tuned, label=f"{name}, fine-tuned", **line)
    axes.axhline(0, color="black", linewidth=1)
    axes.set_title("rise of the top-1 error, percentage points", fontsize=13, fontweight="bold", loc="left")
    axes.set_xlabel("size of tflite_int4, MB", fontsize=12)
    axes.tick_params(labelsize=11)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=11, frameon=False)
    return figure
