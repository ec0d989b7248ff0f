"""Labels image files with an exported SavedModel; needs TensorFlow and nothing else.

python label_tensorflow.py EXPORT photo.jpg … [--json]
"""

import json
import pathlib
import sys

import tensorflow as tf


def main():
    """Prints each file's labels; what is no image is called invalid."""
    export, *files = (argument for argument in sys.argv[1:] if argument != "--json")
    classify = tf.saved_model.load(str(pathlib.Path(export) / "saved_model")).signatures["serving_default"]
    answers = classify(encoded=tf.constant([pathlib.Path(file).read_bytes() for file in files]))
    for file, labels, scores in zip(files, answers["labels"].numpy(), answers["scores"].numpy(), strict=True):
        labels = [label.decode() for label in labels]
        if "--json" in sys.argv:
            print(json.dumps({"image": file, "labels": labels, "scores": scores.tolist()}))
        else:
            print(f"{file}: " + ", ".join(f"{label} {score:.1%}" for label, score in zip(labels, scores, strict=True)))


if __name__ == "__main__":
    main()
