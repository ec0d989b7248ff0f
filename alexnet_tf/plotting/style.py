"""What all pictures share: how a figure begins, names of classes, and how a file is written."""

import functools
import pathlib

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from alexnet_tf.models.pretrained.imagenet import imagenet_classes

DPI = 110
LONGEST_NAME = 16


def new_figure(width, height):
    """An empty `Figure` of that many inches; nothing of pyplot's global state is touched."""
    return Figure(figsize=(width, height), layout="constrained")


def without_axes(axes, **labels):
    """Takes ticks and frame off axes; sets labels, a title and so on."""
    axes.set(xticks=[], yticks=[], **labels)
    axes.spines[:].set_visible(False)
    return axes


def class_name(name):
    """A class as people call it: WordNet ids by their names, no underscores, shortened to `LONGEST_NAME`."""
    name = _imagenet_names().get(name, name).replace("_", " ")
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


@functools.cache
def _imagenet_names():
    return dict(imagenet_classes())


def check_suffix(path):
    """Raises ValueError if Matplotlib writes no such format."""
    path = pathlib.Path(path)
    # Not what only a LaTeX on this machine could write.
    allowed = sorted({*FigureCanvasBase.get_supported_filetypes()} - {"pgf"})
    if path.suffix.lower().lstrip(".") not in allowed:
        raise ValueError(f"out must end in one of .{', .'.join(allowed)}. Received: out={str(path)!r}")


def save(figure, path):
    """Writes a figure in the format that the path's suffix names; it is never seen half written."""
    path = pathlib.Path(path)
    partial = path.with_name(f"{path.name}.new")
    figure.savefig(partial, format=path.suffix.lower().lstrip("."), dpi=DPI)
    partial.replace(path)
