"""What all figures share: how one begins, and how it is written to a file."""

import os
import pathlib
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from alexnet_tf import storage
from alexnet_tf.errors import UserError

DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; nothing of pyplot's global state is touched."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def without_axes(axes: Axes, **labels: Any) -> Axes:
    """Removes ticks and frame; `labels` are passed to `Axes.set`."""
    axes.set(xticks=[], yticks=[], **labels)
    axes.spines[:].set_visible(False)
    return axes


def check_suffix(path: str | os.PathLike) -> None:
    """Raises UserError if Matplotlib does not write the format that a file name ends in."""
    path = pathlib.Path(path)
    # Not pgf, which needs a LaTeX installation.
    allowed = sorted({*FigureCanvasBase.get_supported_filetypes()} - {"pgf"})
    if path.suffix.lower().lstrip(".") not in allowed:
        raise UserError(f"out must end in one of .{', .'.join(allowed)}, got {str(path)!r}")


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Writes a figure atomically, in the format that the path ends in."""
    suffix = pathlib.Path(path).suffix.lower().lstrip(".")
    with storage.atomic_write(path) as partial:
        figure.savefig(partial, format=suffix, dpi=DPI)
