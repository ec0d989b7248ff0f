"""Labels image files with an exported SavedModel; needs TensorFlow and nothing else.

python label_tensorflow.py EXPORT photo.jpg …

Prints "file<TAB>label<TAB>score" for the five best labels of each file, best first; undecodable files are "invalid".
"""

import pathlib
import sys

import tensorflow as tf


def main():
    """Labels all files as one batch."""
    export, *files = sys.argv[1:]
    classify = tf.saved_model.load(str(pathlib.Path(export) / "saved_model")).signatures["serving_default"]
    try:
        encoded = [pathlib.Path(file).read_bytes() for file in files]
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")
    answers = classify(encoded=tf.constant(encoded))
    for file, labels, scores in zip(files, answers["labels"].numpy(), answers["scores"].numpy(), strict=True):
        for label, score in zip(labels, scores, strict=True):
            print(f"{file}\t{label.decode()}\t{score:.6f}")


if __name__ == "__main__":
    main()
