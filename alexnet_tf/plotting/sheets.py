"""Contact sheets: images of one size in rows on white, as uint8 arrays (height, width, 3)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WHITE = 255


def sheet(images: Sequence[npt.NDArray], columns: int, gap: int) -> npt.NDArray:
    """Lays out images in rows, with white gaps between and around them.

    Args:
        images: uint8 arrays (height, width, 3), all of one size.
        columns: images in a row; the last row may have fewer.
        gap: pixels.
    """
    rows = -(-len(images) // columns)
    columns = min(columns, len(images))
    blank = np.full_like(images[0], WHITE)
    cells = np.stack([*images, *[blank] * (rows * columns - len(images))])
    cells = np.pad(cells, [(0, 0), (0, gap), (0, gap), (0, 0)], constant_values=WHITE)
    height, width = cells.shape[1:3]
    joined = cells.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    return np.pad(joined, [(gap, 0), (gap, 0), (0, 0)], constant_values=WHITE)


def enlarged(image: npt.NDArray, min_width: int) -> npt.NDArray:
    """Repeats pixels by the smallest whole number that makes an image `min_width` wide; nothing is blurred."""
    factor = max(1, -(-min_width // image.shape[1]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
