"""Draws the letters that captions are set in: `python tools/draw_letters.py alexnet_tf/training/letters.png`.

Each of `pictures.LETTERS` in DejaVu Sans Mono, which comes with Matplotlib, one beside the other in gray levels.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import matplotlib  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from alexnet_tf.plotting.pictures import LETTER, LETTERS  # noqa: E402

SIZE = 13  # At which a letter is 8 pixels wide.


def main(file):
    """Writes the strip, white on black."""
    height, width = LETTER
    font = ImageFont.truetype(str(pathlib.Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf"), SIZE)
    strip = Image.new("L", (width * len(LETTERS), height))
    for place, letter in enumerate(LETTERS):
        cell = Image.new("L", (width, height))
        ImageDraw.Draw(cell).text((0, 0), letter, fill=255, font=font)
        strip.paste(cell, (width * place, 0))
    strip.save(file, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
