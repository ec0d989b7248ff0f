"""An image with its true label and the network's most probable labels as bars, drawn with Pillow."""

import dataclasses
import functools
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from alexnet_tf.errors import UserError
from alexnet_tf.plotting import names, palette
from alexnet_tf.plotting.sheets import enlarged

BARS = 5
# Colors that stay apart for color-blind readers, and on which black text is legible.
TRUE_BAR, OTHER_BAR = palette.ORANGE, palette.SKY

_MIN_WIDTH = 200
_FONT_SIZE = 14
_LINE, _MARGIN = 20, 5  # In pixels.


@dataclasses.dataclass(frozen=True)
class Prediction:
    """An example and what a network predicts for it.

    Attributes:
        image: uint8 (height, width, 3).
        label: the true class.
        probabilities: float32 (classes,).
    """

    image: npt.NDArray
    label: int
    probabilities: npt.NDArray

    @property
    def correct(self) -> bool:
        """Whether the most probable class is the true one."""
        return bool(self.probabilities.argmax() == self.label)


def draw(prediction: Prediction, class_names: Sequence[str]) -> npt.NDArray:
    """Draws an image, its true label below it, and a bar for each of the `BARS` most probable labels.

    The bar of the true label is orange and has a check mark; the others are blue. Small images are enlarged by a whole
    number.

    Args:
        prediction: what to draw.
        class_names: names of the classes; see `printable`.

    Returns:
        uint8 (height, width, 3).

    Reference: Figure 4 (left) of the paper.
    """
    best = np.argsort(-prediction.probabilities, kind="stable")[:BARS]
    photograph = enlarged(prediction.image, _MIN_WIDTH)
    height, width = photograph.shape[:2]
    canvas = Image.new("RGB", (width, height + (1 + len(best)) * _LINE), "white")
    canvas.paste(Image.fromarray(photograph))
    pen = ImageDraw.Draw(canvas)
    _write(pen, f"label: {printable(class_names, prediction.label)}", _MARGIN, height, width - _MARGIN)
    for row, label in enumerate(best, start=1):
        probability, is_true = float(prediction.probabilities[label]), label == prediction.label
        _bar(pen, height + row * _LINE, width, probability, is_true, printable(class_names, label))
    return np.asarray(canvas)


def printable(class_names: Sequence[str], label: int) -> str:
    """A class's readable name without accents, or `class 3` if it has letters that the font lacks."""
    # Pillow's own font, the only one that is certain to be there, covers ASCII and little else.
    letters = unicodedata.normalize("NFKD", names.readable(class_names[label]))
    name = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return name if all(map(_has_glyph, name)) else f"class {label}"


def _bar(pen: ImageDraw.ImageDraw, top: int, width: int, probability: float, is_true: bool, name: str) -> None:
    """Draws one line: a bar as long as the probability, over it a check mark if true, the name and the probability."""
    end = round(probability * width)
    if end:
        pen.rectangle((0, top + 1, end - 1, top + _LINE - 2), fill=TRUE_BAR if is_true else OTHER_BAR)
    text = f"{probability:.0%}"
    right = width - _MARGIN - round(_font().getlength(text))
    pen.text((right, top + 1), text, fill="black", font=_font())
    left = _MARGIN
    if is_true:
        pen.line([(left, top + 10), (left + 3, top + 14), (left + 10, top + 5)], fill="black", width=2)
        left += 15
    _write(pen, name, left, top, right - _MARGIN)


def _write(pen: ImageDraw.ImageDraw, text: str, left: int, top: int, right: int) -> None:
    """Writes a line of text between two columns of pixels, cut where it does not fit."""
    if _font().getlength(text) > right - left:
        while text and _font().getlength(text + "…") > right - left:
            text = text[:-1]
        text += "…"
    pen.text((left, top + 1), text, fill="black", font=_font())


@functools.cache
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(_FONT_SIZE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UserError("Pillow must have FreeType to draw text: pip install --force-reinstall pillow")
    return font


@functools.cache
def _has_glyph(letter: str) -> bool:
    """Whether the font can draw a letter, or shows its box for missing ones."""
    missing, drawn = _font().getmask("\uffff"), _font().getmask(letter)
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))
