"""The ten figures of the built-in dataset, as signed distances.

Each figure is a function of the coordinates x and y relative to its center, in pixels, its approximate radius in
pixels, and a number in [0, 1) that varies its proportions. It returns the distance to its edge in pixels, negative
inside. All are float32.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Distance = Callable[[Array, Array, np.float32, np.float32], Array]


def _length(x: Array, y: Array) -> Array:
    return np.sqrt(x * x + y * y)


def _to_nearest(values: Array, period: np.float32) -> Array:
    """The distance to the nearest multiple of the period."""
    return abs(values - period * np.rint(values / period))


def _circle(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    return _length(x, y) - 0.9 * radius


def _square(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    return np.maximum(abs(x), abs(y)) - 0.78 * radius


def _triangle(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    # Folded over the x axis, which leaves one slanted edge, and the upright one on the left.
    slanted = 0.5 * x + np.float32(np.sqrt(0.75)) * abs(y)
    return np.maximum(slanted, -x) - 0.55 * radius


def _ring(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    return abs(_length(x, y) - 0.76 * radius) - radius * (0.14 + 0.08 * proportion)


def _cross(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    arm = radius * (0.20 + 0.08 * proportion)
    x, y = abs(x), abs(y)
    return np.maximum(np.minimum(x, y) - arm, np.maximum(x, y) - radius)


def _bar(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    return np.maximum(abs(x) - 1.15 * radius, abs(y) - radius * (0.16 + 0.10 * proportion))


def _star(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    # Folded onto half of one of the five points, where the edge is one straight line from the tip to the notch.
    for mirror in (0.4 * np.pi, 0.2 * np.pi):
        normal = np.array([-np.sin(mirror), np.cos(mirror)], np.float32)
        y = abs(y)
        beyond = 2 * np.maximum(x * normal[0] + y * normal[1], 0)
        x, y = x - beyond * normal[0], y - beyond * normal[1]
    tip, notch = 1.1 * radius, 0.45 * radius * np.array([np.cos(np.pi / 5), np.sin(np.pi / 5)])
    edge = np.array([notch[1], tip - notch[0]], np.float32)
    edge /= np.hypot(*edge)
    return (x - tip) * edge[0] + y * edge[1]


def _stripes(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    period = radius * (0.40 + 0.15 * proportion)
    stripe = _to_nearest(x - period / 4, period) - period / 4
    return np.maximum(stripe, np.maximum(abs(x), abs(y)) - 0.9 * radius)


def _checkers(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    cell = 0.45 * radius
    # Distance to the nearest line between cells, positive in even rows and columns, negative in odd ones.
    across, down = (cell / 2 - _to_nearest(v - cell / 2, 2 * cell) for v in (x, y))
    to_line = np.minimum(abs(across), abs(down))
    return np.maximum(-np.copysign(to_line, across * down), np.maximum(abs(x), abs(y)) - (2 * cell - 1))


def _dots(x: Array, y: Array, radius: np.float32, proportion: np.float32) -> Array:
    cell = 0.95 * radius * 2 / 3
    dot = _length(_to_nearest(x, cell), _to_nearest(y, cell)) - 0.32 * cell
    return np.maximum(dot, np.maximum(abs(x), abs(y)) - 1.5 * cell)


FIGURES: dict[str, Distance] = {
    "circle": _circle, "square": _square, "triangle": _triangle, "ring": _ring, "cross": _cross,
    "stripes": _stripes, "checkers": _checkers, "star": _star, "bar": _bar, "dots": _dots,
}  # fmt: skip
