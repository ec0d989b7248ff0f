"""Draws docs/images/alexnet.png: the paper's network, and below it the kernels that a run has learned.

python tools/draw_readme_picture.py --model=cifar10-run --out=docs/images/alexnet.png
"""

import argparse
import io
import pathlib
import sys

import matplotlib.figure
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf import AlexNet  # noqa: E402
from alexnet_tf.plotting import architecture, filters  # noqa: E402
from alexnet_tf.runs.opening import open_model  # noqa: E402

WIDTH = 1600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a run of a network with towers, or its weights")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="PNG file to write")
    options = parser.parse_args()
    pictures = [
        _rendered(architecture.draw(AlexNet("paper"))),
        _rendered(filters.draw_model(open_model(options.model).keras_predictor.model)),
    ]
    sheet = Image.new("RGB", (WIDTH, sum(picture.height for picture in pictures)), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    sheet.save(options.out, optimize=True)


def _rendered(figure: matplotlib.figure.Figure) -> Image.Image:
    """A figure as a picture of the common width."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    picture = Image.open(buffer).convert("RGB")
    return picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
