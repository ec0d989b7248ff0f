"""Draws a contact sheet of the built-in set: `python tools/draw_shapes.py docs/images/shapes.jpg`."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from alexnet_tf.data import shapes  # noqa: E402

ROWS, STEP, GAP = 4, 2, 4


def main(file):
    """Writes one column a class, `ROWS` images each, every second pixel of each."""
    columns = [[] for _ in shapes.CLASS_NAMES]
    for index in range(ROWS * len(columns)):
        image, label = shapes.draw(0, "train", index)
        columns[label].append(np.pad(image[::STEP, ::STEP], [(0, GAP), (0, GAP), (0, 0)], constant_values=255))
    sheet = np.hstack([np.vstack(column) for column in columns])[:-GAP, :-GAP]
    pathlib.Path(file).write_bytes(tf.io.encode_jpeg(sheet, quality=88).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
