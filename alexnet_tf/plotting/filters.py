"""The first layer's kernels as colors: the paper's Figure 3."""

import numpy as np

from alexnet_tf.plotting import palette, style

# Rows are about this many times as long as a tower's block is high: 16 by 3 for the paper's 48 kernels.
_ASPECT = 5
_GAP = 1
# Few weights are far larger than the rest; a scale that reached them would leave the others gray.
_QUANTILE = 0.999


def draw(kernels, towers=1):
    """Draws kernels tower by tower, all on one scale on which gray is 0.

    Args:
        kernels: float (height, width, 3, count), RGB weights of `conv1`.
        towers: how many equal parts of the kernels are set apart, see `alexnet_tf.models.cost.towers`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the kernels have not three colors, or cannot be divided among the towers.

    Reference: Figure 3 of the paper: the 48 kernels that each of two GPUs learned.
    """
    kernels = np.asarray(kernels, np.float32)
    if kernels.ndim != 4 or kernels.shape[2] != 3 or kernels.shape[3] % towers:
        raise ValueError(
            "kernels must be of shape (height, width, 3, count), count divisible by the towers. "
            f"Received: {kernels.shape}, towers={towers}"
        )
    limit = float(np.quantile(np.abs(kernels), _QUANTILE)) or 1.0
    colors = np.clip(0.5 + kernels / (2 * limit), 0, 1).transpose(3, 0, 1, 2)
    sheets = [_sheet(part) for part in np.split(colors, towers)]
    rows, columns = sheets[0].shape[:2]
    figure = style.new_figure(9, 0.9 + towers * (8.3 * rows / columns + 0.15))
    for number, (axes, sheet) in enumerate(zip(figure.subplots(towers, squeeze=False)[:, 0], sheets, strict=True)):
        style.without_axes(axes).imshow(sheet, interpolation="nearest")
        if towers > 1:
            _mark(axes, number)
    count, (height, width) = kernels.shape[3], kernels.shape[:2]
    figure.suptitle(f"{count} kernels of {height}×{width}×3 in conv1", fontsize=14)
    figure.supxlabel(f"one scale for all: gray is 0, full color is ±{limit:.2g}", fontsize=11, color=palette.GRAY)
    return figure


def _sheet(images):
    """Images (count, height, width, 3) side by side on white, in rows of equal length."""
    count, height, width, _ = images.shape
    columns = min((n for n in range(1, count + 1) if count % n == 0), key=lambda n: abs(n - (_ASPECT * count) ** 0.5))
    padded = np.pad(images, [(0, 0), (0, _GAP), (0, _GAP), (0, 0)], constant_values=1)
    rows = padded.reshape(count // columns, columns, height + _GAP, width + _GAP, 3)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, columns * (width + _GAP), 3)[:-_GAP, :-_GAP]


def _mark(axes, number):
    """Names a tower and puts a bar of its color beside it."""
    color = palette.TOWERS[number % len(palette.TOWERS)]
    axes.set_ylabel(f"tower {number + 1}", fontsize=13, fontweight="bold", color=color, labelpad=8)
    axes.spines["left"].set(visible=True, color=color, linewidth=5, position=("outward", 6))
