"""Where a network looks: the probability of a class while a gray square hides one part of the image after another."""

import numpy as np
import tensorflow as tf
from matplotlib.patches import Rectangle

from alexnet_tf.plotting import palette, style

# The square's side, and how far it moves each time, as shares of the image's side.
SQUARE, PLACES = 0.25, 25


def scan(classifier, pixels, label, progress=lambda done: None):
    """Slides a square over an image, its center over the middle of each cell of a grid, cut off at the borders.

    The square has the mean color of the training set, a gray that the network sees as nothing.

    Args:
        classifier: `alexnet_tf.inference.predictor.Classifier`.
        pixels: uint8 (crop, crop, 3).
        label: the class whose probability is looked at.
        progress: called with the number of places so far, of `PLACES` squared.

    Returns:
        float32 (`PLACES`, `PLACES`), rows from the top: the probability with that place hidden.

    Reference: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2.
    """
    classify = tf.function(classifier.probabilities, jit_compile=False, reduce_retracing=True)
    side = pixels.shape[0]
    gray = np.round(np.reshape(classifier.mean, (-1, 3)).mean(0)).astype(np.uint8)
    half = side * SQUARE / 2
    edges = [
        (round(max(0, center - half)), round(min(side, center + half)))
        for center in (np.arange(PLACES) + 0.5) * side / PLACES
    ]
    found = []
    for top, bottom in edges:
        hidden = np.repeat(pixels[None], PLACES, axis=0)
        for image, (left, right) in zip(hidden, edges, strict=True):
            image[top:bottom, left:right] = gray
        found.append(classify(hidden).numpy()[:, label])
        progress(len(found) * PLACES)
    return np.stack(found)


def draw(pixels, hidden, seen, name):
    """Draws the image with the square's size, and beside it the probability for each place of the square.

    Args:
        pixels: uint8 (crop, crop, 3).
        hidden: what `scan` returned.
        seen: the class's probability of the whole image.
        name: the class.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure = style.new_figure(9, 4.5)
    photo, heat = map(style.without_axes, figure.subplots(1, 2))
    side = pixels.shape[0]
    extent = (0, side, side, 0)
    photo.imshow(pixels, extent=extent)
    square = SQUARE * side
    # Two outlines, so that one of them stands out from whatever is behind.
    for color, width in (("white", 5), (palette.INK, 2)):
        photo.add_patch(Rectangle((side / 20,) * 2, square, square, fill=False, edgecolor=color, linewidth=width))
    photo.set_title(f"{style.class_name(name)} {seen:.0%}", fontsize=14, fontweight="bold")
    photo.set_xlabel("the square that hides a part", fontsize=11, color=palette.GRAY)
    drawn = heat.imshow(hidden, extent=extent, cmap="cividis", vmin=0, vmax=max(seen, hidden.max()))
    low = np.unravel_index(hidden.argmin(), hidden.shape)
    y, x = ((np.array(low) + 0.5) * side / PLACES).tolist()
    heat.plot(x, y, "+", markersize=14, markeredgewidth=3, color=palette.VERMILLION)
    heat.set_title("with the square centered here", fontsize=14)
    heat.set_xlabel(f"+ lowest, {hidden.min():.0%}; line on the scale: nothing hidden", fontsize=11, color=palette.GRAY)
    bar = figure.colorbar(drawn, ax=heat, format="{x:.0%}", shrink=0.9)
    bar.ax.axhline(seen, color=palette.VERMILLION, linewidth=4)
    bar.set_label(f"probability of {style.class_name(name)}", fontsize=12)
    return figure
