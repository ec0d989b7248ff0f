"""Which part of an image counts: the probability of a class while a gray square hides one part at a time."""

import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from alexnet_tf.errors import UserError
from alexnet_tf.inference.predictor import Predictor
from alexnet_tf.plotting import names, palette, style

# The square's side as a fraction of the image's, and its positions along each side.
SQUARE, POSITIONS = 0.25, 25


def draw_file(
    predictor: Predictor,
    file: str | os.PathLike,
    class_name: str | None = None,
    true_class: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Figure:
    """Draws how the probability of a class depends on the parts of an image file.

    Args:
        predictor: the network.
        file: JPEG, PNG, GIF or BMP file.
        class_name: the class whose probability is measured; the predicted one if not given.
        true_class: the class that the image shows, if it is known; it is written above the image.
        progress: as for `scan`.

    Raises:
        UserError: if the file cannot be read, or there is no such class.
    """
    label = None if class_name is None else _index("label", class_name, predictor.class_names)
    true_label = None if true_class is None else _index("true_label", true_class, predictor.class_names)
    try:
        image = predictor.preprocessing.pixels(pathlib.Path(file).read_bytes()).numpy()
    except OSError as error:
        raise UserError(f"IMAGE must be a readable file, got {str(file)!r}: {error.strerror}") from error
    except tf.errors.InvalidArgumentError as error:
        raise UserError(f"IMAGE must be a JPEG, PNG, GIF or BMP image, got {str(file)!r}") from error
    probabilities = predictor.probabilities(image[None]).numpy()[0]
    label = int(probabilities.argmax()) if label is None else label
    hidden = scan(predictor, image, label, progress)
    return draw(image, hidden, label, probabilities, predictor.class_names, true_label)


def _index(argument: str, name: str, class_names: Sequence[str]) -> int:
    if name not in class_names:
        raise UserError(f"{argument} must be one of {', '.join(class_names[:20])}, got {name!r}")
    return class_names.index(name)


def scan(
    predictor: Predictor, image: npt.NDArray, label: int, progress: Callable[[int], None] = lambda done: None
) -> npt.NDArray:
    """Moves a square over an image, centered on each cell of a grid and cut off at the borders.

    The square has the mean color of the training set, which the network sees as about zero.

    Args:
        predictor: the network; its preprocessing must have a mean.
        image: uint8 (crop, crop, 3).
        label: the class whose probability is measured.
        progress: called with the number of positions done so far, of `POSITIONS` squared.

    Returns:
        float32 (`POSITIONS`, `POSITIONS`), rows from the top: the probability with the square at that position.

    Raises:
        UserError: if the predictor has no mean.

    Reference: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2.
    """
    if predictor.preprocessing.mean is None:
        raise UserError(f"model must be a run, whose mean color is known, got {predictor.name}")
    gray = np.round(np.reshape(predictor.preprocessing.mean, (-1, 3)).mean(0)).astype(np.uint8)
    side = image.shape[0]
    half = side * SQUARE / 2
    edges = [
        (round(max(0, center - half)), round(min(side, center + half)))
        for center in (np.arange(POSITIONS) + 0.5) * side / POSITIONS
    ]
    rows: list[npt.NDArray] = []
    for top, bottom in edges:
        hidden = np.repeat(image[None], POSITIONS, axis=0)
        for copy, (left, right) in zip(hidden, edges, strict=True):
            copy[top:bottom, left:right] = gray
        rows.append(predictor.compiled(hidden).numpy()[:, label])
        progress(len(rows) * POSITIONS)
    return np.stack(rows)


def draw(
    image: npt.NDArray,
    hidden: npt.NDArray,
    label: int,
    probabilities: npt.NDArray,
    class_names: Sequence[str],
    true_label: int | None = None,
) -> Figure:
    """Draws the image with the square's size, and beside it the probability for each position of the square.

    Args:
        image: uint8 (crop, crop, 3).
        hidden: the result of `scan`.
        label: the class of `hidden`.
        probabilities: float32 (classes,), the prediction for the whole image.
        class_names: names of the classes.
        true_label: the image's class, if it is known.
    """
    figure = style.new_figure(9, 4.9)
    photo, heat = map(style.without_axes, figure.subplots(1, 2))
    side = image.shape[0]
    extent = (0, side, side, 0)
    photo.imshow(image, extent=extent)
    square = SQUARE * side
    # Two outlines, so that one of them stands out from any background.
    for color, width in (("white", 5), (palette.INK, 2)):
        photo.add_patch(Rectangle((side / 20,) * 2, square, square, fill=False, edgecolor=color, linewidth=width))
    best = int(probabilities.argmax())
    known = "" if true_label is None else f"\nlabel {names.short(class_names[true_label])}"
    photo.set_title(f"predicted {names.short(class_names[best])} ({probabilities[best]:.0%}){known}", fontsize=12)
    photo.set_xlabel("the square hides this much", fontsize=11, color=palette.GRAY)
    whole, name = float(probabilities[label]), names.short(class_names[label])
    shown = heat.imshow(hidden, extent=extent, cmap="cividis", vmin=0, vmax=max(whole, hidden.max()))
    y, x = ((np.array(np.unravel_index(hidden.argmin(), hidden.shape)) + 0.5) * side / POSITIONS).tolist()
    heat.plot(x, y, "+", markersize=14, markeredgewidth=3, color=palette.VERMILLION)
    heat.set_title(f"probability of {name}\nby center of the square", fontsize=12)
    note = f"+ lowest, {hidden.min():.0%}; line on the scale: nothing hidden"
    heat.set_xlabel(note, fontsize=11, color=palette.GRAY)
    bar = figure.colorbar(shown, ax=heat, format="{x:.0%}", shrink=0.9)
    bar.ax.axhline(whole, color=palette.VERMILLION, linewidth=4)
    return figure
