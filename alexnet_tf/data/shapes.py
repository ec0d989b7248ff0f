"""The built-in set `builtin:shapes`: ten classes of figures, drawn instead of downloaded.

Every image shows one figure of random place, size, turn and color over soft colored noise. Light figures
on dark ground and dark figures on light ground are equally likely, so no pixel alone says anything about the class.
"""

import numpy as np
import tensorflow as tf

from alexnet_tf.data import images
from alexnet_tf.data.sources import Dataset, IndexedSplit

SIDE = 256
CLASS_NAMES = ("circle", "square", "triangle", "ring", "cross", "stripes", "checkers", "star", "bar", "dots")
SPLITS = ("train", "validation")
COUNTS = (50_000, 500)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_MIDDLES = np.arange(SIDE, dtype=np.float32) + 0.5
# Drawn a few rows at a time: arrays of this size stay in the processor's cache.
_BANDS = [slice(top, top + 32) for top in range(0, SIDE, 32)]


def draw(seed, split, index):
    """Draws image `index` of a split; the same three arguments always give the same image.

    Args:
        seed: non-negative int, the seed of the whole set.
        split: `"train"` or `"validation"`.
        index: non-negative int; there is no last one.

    Returns:
        `(image, label)`: uint8 RGB of shape (256, 256, 3), and an int in [0, 10) that indexes `CLASS_NAMES`.
        Ten consecutive images, counted from a multiple of ten, show each class once.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    order = np.random.default_rng([seed, SPLITS.index(split), index // 10, 10]).permutation(len(CLASS_NAMES))
    label = int(order[index % 10])
    paint_ground = _ground(rng)
    figure = _Figure(CLASS_NAMES[label], rng)
    ground, coverage = np.empty((SIDE, SIDE, 3), np.float32), np.empty((SIDE, SIDE, 1), np.float32)
    for band in _BANDS:
        ground[band] = paint_ground(band)
        coverage[band, :, 0] = figure.coverage(band)
    color = _contrasting_color(ground, coverage, rng)
    grain = rng.integers(-5, 6, (SIDE, SIDE, 1), np.int8)
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    for band in _BANDS:
        mixed = ground[band] + coverage[band] * (color - ground[band]) + grain[band]
        image[band] = np.clip(mixed, 0, 255)
    return image, label


def _smooth_basis(cells):
    """The (SIDE, cells) matrix that spreads `cells` values over a row with overlapping Gaussian bumps."""
    centers = (np.arange(cells) - 0.5) * SIDE / (cells - 2)
    weights = np.exp(-0.5 * ((np.arange(SIDE)[:, None] + 0.5 - centers) / (0.55 * SIDE / (cells - 2))) ** 2)
    return (weights / np.sqrt((weights**2).sum(1, keepdims=True))).astype(np.float32)


# (strength, rows' basis, columns' basis for three interleaved channels) of each scale of the ground.
_SCALES = [
    (strength, basis, np.kron(basis, np.eye(3, dtype=np.float32)).T)
    for strength, basis in ((14, _smooth_basis(5)), (7, _smooth_basis(10)))
]


def _ground(rng):
    """Soft colored noise in two scales round a random color: a function from a band to float32 in [0, 255]."""
    color = np.tile(rng.uniform(70, 185, 3).astype(np.float32), SIDE)
    scales = [
        (rows, rng.standard_normal((rows.shape[1], columns.shape[0]), np.float32) * strength @ columns)
        for strength, rows, columns in _SCALES
    ]

    def paint(band):
        painted = sum((rows[band] @ cells for rows, cells in scales), color)
        return np.clip(painted, 0, 255).reshape(-1, SIDE, 3)

    return paint


def _contrasting_color(ground, coverage, rng):
    """A random color clearly lighter or clearly darker than the ground below the figure."""
    luma = float((coverage[..., 0] * (ground @ _LUMA)).sum() / coverage.sum())
    room_below, room_above = luma - 15, 240 - luma
    sign = 1 if rng.random() < 0.5 else -1
    if min(room_below, room_above) < 90:
        sign = 1 if room_above > room_below else -1
    target = luma + sign * rng.uniform(90, max(91, min(140, room_above if sign > 0 else room_below)))
    color = rng.uniform(0, 255, 3).astype(np.float32)
    return np.clip(color + (target - color @ _LUMA), 0, 255)


class _Figure:
    """A figure of random size, place, turn and proportion."""

    def __init__(self, name, rng):
        self.distance = _FIGURES[name]
        self.radius = np.float32(SIDE * rng.uniform(0.30, 0.42))
        self.center = rng.uniform(self.radius, SIDE - self.radius, size=2).astype(np.float32)
        turn = rng.uniform(0, 2 * np.pi)
        self.cos, self.sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        self.share = np.float32(rng.random())

    def coverage(self, band):
        """The share of each of a band's pixels that the figure covers: float32 in [0, 1], edges one pixel soft."""
        right = _MIDDLES - self.center[0]
        down = _MIDDLES[band, None] - self.center[1]
        x = right * self.cos + down * self.sin
        y = down * self.cos - right * self.sin
        return np.clip(0.5 - self.distance(x, y, self.radius, self.share), 0, 1)


# Each figure is a signed distance in pixels, negative inside, to the edge of a shape of about the given radius;
# `share` in [0, 1) varies its proportions. All float32.


def _length(x, y):
    return np.sqrt(x * x + y * y)


def _to_nearest(values, period):
    """The distance to the nearest multiple of the period."""
    return abs(values - period * np.rint(values / period))


def _circle(x, y, radius, share):
    return _length(x, y) - 0.9 * radius


def _square(x, y, radius, share):
    return np.maximum(abs(x), abs(y)) - 0.78 * radius


def _triangle(x, y, radius, share):
    # Folded over the x axis: what is left is one slanted edge, and the upright one on the left.
    slanted = 0.5 * x + np.float32(np.sqrt(0.75)) * abs(y)
    return np.maximum(slanted, -x) - 0.55 * radius


def _ring(x, y, radius, share):
    return abs(_length(x, y) - 0.76 * radius) - radius * (0.14 + 0.08 * share)


def _cross(x, y, radius, share):
    arm = radius * (0.20 + 0.08 * share)
    x, y = abs(x), abs(y)
    return np.maximum(np.minimum(x, y) - arm, np.maximum(x, y) - radius)


def _bar(x, y, radius, share):
    return np.maximum(abs(x) - 1.15 * radius, abs(y) - radius * (0.16 + 0.10 * share))


def _star(x, y, radius, share):
    # Folded onto one half-point of the five: there the edge is one straight line from the tip to the notch.
    for mirror in (0.4 * np.pi, 0.2 * np.pi):
        normal = np.array([-np.sin(mirror), np.cos(mirror)], np.float32)
        y = abs(y)
        beyond = 2 * np.maximum(x * normal[0] + y * normal[1], 0)
        x, y = x - beyond * normal[0], y - beyond * normal[1]
    tip, notch = 1.1 * radius, 0.45 * radius * np.array([np.cos(np.pi / 5), np.sin(np.pi / 5)])
    edge = np.array([notch[1], tip - notch[0]], np.float32)
    edge /= np.hypot(*edge)
    return (x - tip) * edge[0] + y * edge[1]


def _stripes(x, y, radius, share):
    period = radius * (0.40 + 0.15 * share)
    stripe = _to_nearest(x - period / 4, period) - period / 4
    return np.maximum(stripe, np.maximum(abs(x), abs(y)) - 0.9 * radius)


def _checkers(x, y, radius, share):
    cell = 0.45 * radius
    # How far inside the even (above 0) or odd rows and columns.
    across, down = (cell / 2 - _to_nearest(v - cell / 2, 2 * cell) for v in (x, y))
    to_line = np.minimum(abs(across), abs(down))
    return np.maximum(-np.copysign(to_line, across * down), np.maximum(abs(x), abs(y)) - (2 * cell - 1))


def _dots(x, y, radius, share):
    cell = 0.95 * radius * 2 / 3
    dot = _length(_to_nearest(x, cell), _to_nearest(y, cell)) - 0.32 * cell
    return np.maximum(dot, np.maximum(abs(x), abs(y)) - 1.5 * cell)


_FIGURES = {
    "circle": _circle, "square": _square, "triangle": _triangle, "ring": _ring, "cross": _cross,
    "stripes": _stripes, "checkers": _checkers, "star": _star, "bar": _bar, "dots": _dots,
}  # fmt: skip


def open_shapes(name, seed):
    """The set as a `Dataset`: 50,000 images to train on and 500 held out, all of one seed."""
    splits = [IndexedSplit(count, _loader(seed, split)) for split, count in zip(SPLITS, COUNTS, strict=True)]
    return Dataset(name, CLASS_NAMES, *splits)


def _loader(seed, split):
    def draw_example(index):
        image, label = draw(seed, split, int(index))
        return image, np.int64(label)

    def load(example, crop):
        image, label = tf.numpy_function(draw_example, [example["index"]], (tf.uint8, tf.int64))
        image = tf.ensure_shape(image, [SIDE, SIDE, 3])
        return {
            "image": images.crop_from_pixels(image, crop.resize_crop, example["offset"]),
            "label": tf.ensure_shape(label, []),
            "weight": tf.ones([]),
        }

    return load
