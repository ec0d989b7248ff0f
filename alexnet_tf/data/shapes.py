"""The built-in dataset `builtin:shapes`: ten classes of figures, drawn instead of downloaded.

Every image shows one figure of random position, size, rotation and color over soft colored noise. Light figures on a
dark background and dark figures on a light one are equally likely, so no single pixel depends on the class.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alexnet_tf.data import images
from alexnet_tf.data.indexed_split import Example, IndexedSplit
from alexnet_tf.data.sampling import Crop
from alexnet_tf.data.shape_figures import FIGURES, Array
from alexnet_tf.data.sources import Dataset

SIDE = 256
CLASS_NAMES = tuple(FIGURES)
SPLITS = ("train", "validation")
COUNTS = {"train": 50_000, "validation": 500}

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_MIDDLES = np.arange(SIDE, dtype=np.float32) + 0.5
# A few rows at a time, so that the arrays stay in the processor's cache.
_BANDS = [slice(top, top + 32) for top in range(0, SIDE, 32)]


def draw(seed: int, split: str, index: int) -> tuple[npt.NDArray[np.uint8], int]:
    """Draws image `index` of a split; the same arguments always give the same image.

    Args:
        seed: non-negative int, the seed of the dataset.
        split: `"train"` or `"validation"`.
        index: non-negative int of any size.

    Returns:
        `(image, label)`: uint8 RGB (256, 256, 3), and an index into `CLASS_NAMES`. Ten consecutive images, from a
        multiple of ten on, show each class once.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    order = np.random.default_rng([seed, SPLITS.index(split), index // 10, 10]).permutation(len(CLASS_NAMES))
    label = int(order[index % 10])
    paint_background = _background(rng)
    figure = _Figure(CLASS_NAMES[label], rng)
    background, coverage = np.empty((SIDE, SIDE, 3), np.float32), np.empty((SIDE, SIDE, 1), np.float32)
    for band in _BANDS:
        background[band] = paint_background(band)
        coverage[band, :, 0] = figure.coverage(band)
    color = _contrasting_color(background, coverage, rng)
    grain = rng.integers(-5, 6, (SIDE, SIDE, 1), np.int8)
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    for band in _BANDS:
        mixed = background[band] + coverage[band] * (color - background[band]) + grain[band]
        image[band] = np.clip(mixed, 0, 255)
    return image, label


def _smooth_basis(cells: int) -> Array:
    """The matrix (SIDE, cells) that spreads `cells` values over a row with overlapping Gaussian bumps."""
    centers = (np.arange(cells) - 0.5) * SIDE / (cells - 2)
    weights = np.exp(-0.5 * ((np.arange(SIDE)[:, None] + 0.5 - centers) / (0.55 * SIDE / (cells - 2))) ** 2)
    return (weights / np.sqrt((weights**2).sum(1, keepdims=True))).astype(np.float32)


# (strength, basis of the rows, basis of the columns with three interleaved channels) of each scale of the background.
_SCALES = [
    (strength, basis, np.kron(basis, np.eye(3, dtype=np.float32)).T)
    for strength, basis in ((14, _smooth_basis(5)), (7, _smooth_basis(10)))
]


def _background(rng: np.random.Generator) -> Callable[[slice], Array]:
    """Soft colored noise in two scales around a random color: a function from a band to float32 in [0, 255]."""
    color = np.tile(rng.uniform(70, 185, 3).astype(np.float32), SIDE)
    scales = [
        (rows, rng.standard_normal((rows.shape[1], columns.shape[0]), np.float32) * strength @ columns)
        for strength, rows, columns in _SCALES
    ]

    def paint(band: slice) -> Array:
        painted = sum((rows[band] @ cells for rows, cells in scales), color)
        return np.clip(painted, 0, 255).reshape(-1, SIDE, 3)

    return paint


def _contrasting_color(background: Array, coverage: Array, rng: np.random.Generator) -> Array:
    """A random color that is clearly lighter or clearly darker than the background of the figure."""
    luma = float((coverage[..., 0] * (background @ _LUMA)).sum() / coverage.sum())
    room_below, room_above = luma - 15, 240 - luma
    sign = 1 if rng.random() < 0.5 else -1
    if min(room_below, room_above) < 90:
        sign = 1 if room_above > room_below else -1
    target = luma + sign * rng.uniform(90, max(91, min(140, room_above if sign > 0 else room_below)))
    color = rng.uniform(0, 255, 3).astype(np.float32)
    return np.clip(color + (target - color @ _LUMA), 0, 255)


class _Figure:
    """A figure of random size, position, rotation and proportions."""

    def __init__(self, name: str, rng: np.random.Generator) -> None:
        self.distance = FIGURES[name]
        self.radius = np.float32(SIDE * rng.uniform(0.30, 0.42))
        self.center = rng.uniform(self.radius, SIDE - self.radius, size=2).astype(np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        self.cos, self.sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        self.proportion = np.float32(rng.random())

    def coverage(self, band: slice) -> Array:
        """The fraction of each pixel of a band that the figure covers: float32 in [0, 1]."""
        right = _MIDDLES - self.center[0]
        down = _MIDDLES[band, None] - self.center[1]
        x = right * self.cos + down * self.sin
        y = down * self.cos - right * self.sin
        return np.clip(0.5 - self.distance(x, y, self.radius, self.proportion), 0, 1)


def open_shapes(name: str, seed: int) -> Dataset:
    """The dataset of one seed: 50,000 training and 500 validation images."""
    train, validation = (IndexedSplit(COUNTS[split], _loader(seed, split)) for split in SPLITS)
    return Dataset(name, CLASS_NAMES, train, validation)


def _loader(seed: int, split: str) -> Callable[[Example, Crop], Example]:
    def draw_example(index: int) -> tuple[npt.NDArray[np.uint8], np.int64]:
        image, label = draw(seed, split, int(index))
        return image, np.int64(label)

    def load(example: Example, crop: Crop) -> Example:
        image, label = tf.numpy_function(draw_example, [example["index"]], (tf.uint8, tf.int64))
        image = tf.ensure_shape(image, [SIDE, SIDE, 3])
        return {
            "image": images.crop_from_pixels(image, crop.resize_crop, example["offset"]),
            "label": tf.ensure_shape(label, []),
            "weight": tf.ones([]),
        }

    return load
