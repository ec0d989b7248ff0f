"""The built-in set `builtin:shapes`: ten classes of figures, drawn instead of downloaded.

Every image shows one figure of random place, size, turn and colour over soft coloured noise. Light figures
on dark ground and dark figures on light ground are equally likely, so no pixel alone says anything about the class.
"""

import numpy as np
import tensorflow as tf

from alexnet_tf.data.sources import Dataset, IndexedSplit

SIDE = 256
CLASS_NAMES = ("circle", "square", "triangle", "ring", "cross", "stripes", "checkers", "star", "bar", "dots")
SPLITS = ("train", "validation")
COUNTS = (50_000, 500)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).astype(np.float32) + 0.5


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
    ground = _ground(rng)
    radius = SIDE * rng.uniform(0.26, 0.40)
    centre = rng.uniform(radius, SIDE - radius, size=2)
    turn = rng.uniform(0, 2 * np.pi)
    coverage = _coverage(CLASS_NAMES[label], centre, radius, turn, rng)
    colour = _contrasting_colour(ground, coverage, rng)
    image = ground + coverage[..., None] * (colour - ground)
    image += rng.standard_normal((SIDE, SIDE, 1), np.float32) * 3
    return np.clip(image, 0, 255).astype(np.uint8), label


def _smooth_basis(cells):
    """The (SIDE, cells) matrix that spreads `cells` values over a row with overlapping Gaussian bumps."""
    centres = (np.arange(cells) - 0.5) * SIDE / (cells - 2)
    weights = np.exp(-0.5 * ((np.arange(SIDE)[:, None] + 0.5 - centres) / (0.55 * SIDE / (cells - 2))) ** 2)
    return (weights / np.sqrt((weights**2).sum(1, keepdims=True))).astype(np.float32)


_BASES = (_smooth_basis(5), _smooth_basis(10))


def _ground(rng):
    """Soft coloured noise in two scales round a random colour; float32 (256, 256, 3) in [0, 255]."""
    image = np.broadcast_to(rng.uniform(70, 185, 3).astype(np.float32), (SIDE, SIDE, 3))
    for basis, strength in zip(_BASES, (14, 7), strict=True):
        cells = rng.standard_normal((3, basis.shape[1], basis.shape[1]), np.float32) * strength
        image = image + (basis @ cells @ basis.T).transpose(1, 2, 0)
    return np.clip(image, 0, 255)


def _contrasting_colour(ground, coverage, rng):
    """A random colour clearly lighter or clearly darker than the ground below the figure."""
    luma = float((ground @ _LUMA * coverage).sum() / coverage.sum())
    room_below, room_above = luma - 15, 240 - luma
    sign = 1 if rng.random() < 0.5 else -1
    if min(room_below, room_above) < 90:
        sign = 1 if room_above > room_below else -1
    target = luma + sign * rng.uniform(90, max(91, min(140, room_above if sign > 0 else room_below)))
    colour = rng.uniform(0, 255, 3).astype(np.float32)
    return np.clip(colour + (target - colour @ _LUMA), 0, 255)


def _coverage(name, centre, radius, turn, rng):
    """The share of each pixel that the figure covers: float32 (256, 256) in [0, 1], edges one pixel soft."""
    offset = _GRID - centre.astype(np.float32)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x = offset[..., 0] * cos + offset[..., 1] * sin
    y = offset[..., 1] * cos - offset[..., 0] * sin
    return np.clip(0.5 - _FIGURES[name](x, y, np.float32(radius), rng), 0, 1)


# Each figure is a signed distance in pixels, negative inside, to the edge of a shape of about the given radius.


def _circle(x, y, radius, rng):
    return np.hypot(x, y) - 0.9 * radius


def _square(x, y, radius, rng):
    return np.maximum(abs(x), abs(y)) - 0.78 * radius


def _polygon(x, y, sides, apothem):
    """Distance to a regular polygon: the largest distance to any of its edge lines."""
    angles = 2 * np.pi * np.arange(sides) / sides
    return np.max([x * np.float32(np.cos(a)) + y * np.float32(np.sin(a)) for a in angles], axis=0) - apothem


def _triangle(x, y, radius, rng):
    return _polygon(x, y, 3, 0.55 * radius)


def _ring(x, y, radius, rng):
    return abs(np.hypot(x, y) - 0.76 * radius) - radius * rng.uniform(0.14, 0.22)


def _cross(x, y, radius, rng):
    arm = radius * rng.uniform(0.20, 0.28)
    across, along = np.minimum(abs(x), abs(y)), np.maximum(abs(x), abs(y))
    return np.maximum(across - arm, along - radius)


def _bar(x, y, radius, rng):
    return np.maximum(abs(x) - 1.15 * radius, abs(y) - radius * rng.uniform(0.16, 0.26))


def _star(x, y, radius, rng):
    # Folded onto one half-point of the five: there the edge is one straight line from the tip to the notch.
    angle = abs((np.arctan2(y, x) + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
    reach = np.hypot(x, y)
    px, py = reach * np.cos(angle), reach * np.sin(angle)
    tip, notch = 1.1 * radius, 0.45 * radius * np.array([np.cos(np.pi / 5), np.sin(np.pi / 5)])
    normal = np.array([notch[1], tip - notch[0]])
    normal /= np.hypot(*normal)
    return ((px - tip) * normal[0] + py * normal[1]).astype(np.float32)


def _stripes(x, y, radius, rng):
    period = radius * rng.uniform(0.40, 0.55)
    stripe = abs((x + period / 4) % period - period / 2) - period / 4
    return np.maximum(stripe, np.maximum(abs(x), abs(y)) - 0.9 * radius)


def _checkers(x, y, radius, rng):
    cell = 0.45 * radius
    to_line = np.minimum(abs((x + cell / 2) % cell - cell / 2), abs((y + cell / 2) % cell - cell / 2))
    dark = (np.floor(x / cell) + np.floor(y / cell)) % 2 == 0
    return np.maximum(np.where(dark, -to_line, to_line), np.maximum(abs(x), abs(y)) - (2 * cell - 1))


def _dots(x, y, radius, rng):
    cell = 0.95 * radius * 2 / 3
    dot = np.hypot((x + cell / 2) % cell - cell / 2, (y + cell / 2) % cell - cell / 2) - 0.32 * cell
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

    def load(index):
        image, label = tf.numpy_function(draw_example, [index], (tf.uint8, tf.int64))
        return {
            "image": tf.ensure_shape(image, [SIDE, SIDE, 3]),
            "label": tf.ensure_shape(label, []),
            "weight": tf.ones([]),
        }

    return load
