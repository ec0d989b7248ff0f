"""The first layer's kernels as colors, without Matplotlib: the paper's Figure 3."""

import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError
from alexnet_tf.plotting.sheets import WHITE, sheet

# A tower's block is about this many times as wide as high: 16 by 3 kernels for the paper's 48.
_ASPECT = 5
_GAP = 1
_SCALE = 4
_TOWER_GAP = 32
# A few parameters are far larger than the rest; a scale that included them would leave everything else gray.
_QUANTILE = 0.999


def color_limit(kernels: npt.NDArray) -> float:
    """The absolute value that is drawn in full color; 0 is gray."""
    return float(np.quantile(np.abs(kernels), _QUANTILE)) or 1.0


def blocks(kernels: npt.NDArray, towers: int = 1) -> list[npt.NDArray]:
    """Draws kernels as one block of small squares per tower, all on one scale.

    Args:
        kernels: float (height, width, 3, count), the RGB kernels of `conv1`, the first tower's first.
        towers: number of equal parts to split the kernels into, see `alexnet_tf.models.cost.towers`.

    Returns:
        One uint8 (height, width, 3) array per tower, one pixel per parameter.

    Raises:
        UserError: if the kernels do not have three channels, or cannot be divided among the towers.

    Reference: Figure 3 of the paper, the 48 kernels that each of two GPUs learned.
    """
    kernels = np.asarray(kernels, np.float32)
    if kernels.ndim != 4 or kernels.shape[2] != 3 or kernels.shape[3] % towers:
        raise UserError(
            f"kernels must have shape (height, width, 3, count) with a count divisible by {towers} towers, "
            f"got {kernels.shape}"
        )
    shares = np.clip(0.5 + kernels / (2 * color_limit(kernels)), 0, 1)
    pixels = np.round(255 * shares).astype(np.uint8).transpose(3, 0, 1, 2)
    count = len(pixels) // towers
    divisors = (n for n in range(1, count + 1) if count % n == 0)
    columns = min(divisors, key=lambda n: abs(n - (_ASPECT * count) ** 0.5))
    return [sheet(list(part), columns, _GAP) for part in np.split(pixels, towers)]


def image(kernels: npt.NDArray, towers: int = 1) -> npt.NDArray:
    """Draws kernels as one enlarged picture, one tower's block below the other: uint8 (height, width, 3)."""
    large = [block.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1) for block in blocks(kernels, towers)]
    between = np.full((_TOWER_GAP, large[0].shape[1], 3), WHITE, np.uint8)
    return np.vstack([part for block in large for part in (between, block)][1:])
