"""Draws a contact sheet of the built-in dataset: `python tools/draw_shapes.py docs/images/shapes.jpg`."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import tensorflow as tf  # noqa: E402

from alexnet_tf.data import shapes  # noqa: E402
from alexnet_tf.plotting.sheets import sheet  # noqa: E402

ROWS, GAP = 4, 4


def main(file: str) -> None:
    """Writes one column per class, at half the resolution."""
    classes = len(shapes.CLASS_NAMES)
    examples = [shapes.draw(0, "train", index) for index in range(ROWS * classes)]
    # Ten consecutive images show each class once.
    rows = [
        sorted(examples[first : first + classes], key=lambda row: row[1]) for first in range(0, ROWS * classes, classes)
    ]
    picture = sheet([image[::2, ::2] for row in rows for image, _ in row], classes, GAP)[GAP:-GAP, GAP:-GAP]
    pathlib.Path(file).write_bytes(tf.io.encode_jpeg(picture, quality=88).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
