"""Pictures for TensorBoard, drawn with NumPy alone: contact sheets, conv1's kernels, answers with their bars.

Pictures are uint8 (height, width, 3).
"""

import functools
import pathlib

import numpy as np
import tensorflow as tf

# ASCII and Latin-1, drawn by tools/draw_letters.py.
LETTERS = "".join(map(chr, (*range(32, 127), *range(161, 256))))
LETTER = (16, 8)  # Height and width of each, in pixels.

WHITE = 255
# Told apart by the color-blind too: Okabe and Ito's sky blue and orange.
OTHER_BAR, TRUE_BAR = (86, 180, 233), (230, 159, 0)

_GAP = 12
_LEAST_SIDE = 128  # Of a photograph; smaller ones are enlarged by a whole number.
_LEAST_CAPTION = 24  # Letters a line.


def sheet(pictures, columns, gap=_GAP):
    """Lays out pictures of one size in rows, on white."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    found = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), WHITE, np.uint8)
    for place, picture in enumerate(pictures):
        y, x = (
            gap + number * side
            for number, side in zip(divmod(place, columns), (height + gap, width + gap), strict=True)
        )
        found[y : y + height, x : x + width] = picture
    return found


def enlarged(picture, least=_LEAST_SIDE):
    """A picture enlarged by the least whole number that makes it `least` pixels wide; no pixel is blurred."""
    factor = max(1, -(-least // picture.shape[1]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def kernels(values, towers):
    """The kernels of conv1, the towers one above the other, all on one scale: gray is 0.

    Args:
        values: float32 (height, width, 3, count).
        towers: int, the first of which has the first kernels.

    Reference: figure 3 of the paper.
    """
    scale = np.abs(values).max() or 1.0
    pixels = np.round(127.5 + 127.5 * values / scale).astype(np.uint8).transpose(3, 0, 1, 2)
    pixels = pixels.repeat(4, axis=1).repeat(4, axis=2)
    blocks = [sheet(tower, columns=16, gap=2) for tower in np.split(pixels, towers)]
    between = np.full((3 * _GAP, blocks[0].shape[1], 3), WHITE, np.uint8)
    return np.vstack([part for block in blocks for part in (between, block)][1:])


def answer(photograph, truth, labels, probabilities):
    """A photograph, its true class, and the network's labels as bars: orange where one is true, blue elsewhere.

    Args:
        photograph: uint8 (height, width, 3).
        truth: str.
        labels: list of str, the likeliest first.
        probabilities: their probabilities.
    """
    photograph = enlarged(photograph)
    width = max(photograph.shape[1], _LEAST_CAPTION * LETTER[1])
    rows = [_centered(photograph, width), _line(f"true: {truth}", width)]
    for label, probability in zip(labels, probabilities, strict=True):
        letters = width // LETTER[1] - 1
        share = f" {probability:.0%}"
        text = f"{_fitted(label, letters - len(share)):<{letters - len(share)}}{share}"
        rows.append(_line(text, width, probability, TRUE_BAR if label == truth else OTHER_BAR))
    return np.vstack(rows)


def _centered(photograph, width):
    margin = width - photograph.shape[1]
    return np.pad(photograph, [(0, 0), (margin // 2, margin - margin // 2), (0, 0)], constant_values=WHITE)


def _line(text, width, share=0.0, color=OTHER_BAR):
    """A line of text, black over a bar that is so large a share of the width."""
    height = LETTER[0] + 4
    ground = np.full((height, width, 3), WHITE, np.uint8)
    ground[1:-1, : round(share * width)] = color
    ink = _ink(_fitted(text, width // LETTER[1] - 1))
    part = ground[2:-2, LETTER[1] // 2 :][:, : ink.shape[1]]
    part[:] = np.round(part * (1 - ink[..., None])).astype(np.uint8)
    return ground


def _fitted(text, letters):
    return text if len(text) <= letters else text[: letters - 2] + ".."


def _ink(text):
    """How black each pixel of a line of text is, from 0 to 1: (height, width)."""
    strip = _letters()
    return np.hstack([strip[:, LETTERS.find(letter)] for letter in text])


@functools.cache
def _letters():
    file = pathlib.Path(__file__).with_name("letters.png")
    strip = tf.io.decode_png(file.read_bytes(), channels=1).numpy()[..., 0] / np.float32(255)
    return strip.reshape(LETTER[0], len(LETTERS), LETTER[1])


def can_be_written(text):
    """Whether all of a text's letters are among `LETTERS`."""
    return all(letter in LETTERS for letter in text)
