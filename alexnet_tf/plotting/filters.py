"""The first layer's kernels as a figure with the towers marked: the paper's Figure 3."""

import keras
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet_tf.models import cost
from alexnet_tf.plotting import kernels, palette, style


def draw_model(model: keras.Model) -> Figure:
    """Draws `conv1` of a network that `AlexNet` built."""
    return draw(model.get_layer("conv1").kernel.numpy(), cost.towers(model))


def draw(values: npt.NDArray, towers: int = 1) -> Figure:
    """Draws kernels tower by tower, all on one scale on which gray is 0.

    Args:
        values: float (height, width, 3, count), the RGB kernels of `conv1`.
        towers: number of equal parts to split the kernels into, see `alexnet_tf.models.cost.towers`.

    Raises:
        UserError: as `kernels.blocks` does.
    """
    blocks = kernels.blocks(values, towers)
    rows, columns = blocks[0].shape[:2]
    figure = style.new_figure(9, 0.9 + towers * (8.3 * rows / columns + 0.15))
    for number, (axes, block) in enumerate(zip(figure.subplots(towers, squeeze=False)[:, 0], blocks, strict=True)):
        style.without_axes(axes).imshow(block, interpolation="nearest")
        if towers > 1:
            _mark(axes, number)
    height, width, _, count = values.shape
    figure.suptitle(f"{count} kernels of {height}×{width}×3 in conv1", fontsize=14)
    scale = f"all on one scale: gray is 0, full color is ±{kernels.color_limit(values):.2g}"
    figure.supxlabel(scale, fontsize=11, color=palette.GRAY)
    return figure


def _mark(axes: Axes, number: int) -> None:
    """Names a tower and puts a bar of its color beside it."""
    color = palette.TOWERS[number % len(palette.TOWERS)]
    axes.set_ylabel(f"tower {number + 1}", fontsize=13, fontweight="bold", color=color, labelpad=8)
    axes.spines["left"].set(visible=True, color=color, linewidth=5, position=("outward", 6))
