"""Labels image files, or the image files in directories, with a run or an export.

alexnet-tf predict --model=DIR_OR_FILE photo.jpg photos/
"""

import json
import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.errors import UserError
from alexnet_tf.runs.opening import open_predictor

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "model", None, "workdir of a run, directory of an export, or a .tflite or .onnx file of an export", required=True
)
flags.DEFINE_integer("top", 5, "number of labels for each image", lower_bound=1)
flags.DEFINE_bool("json", False, "print JSON")


def main(argv: list[str]) -> int:
    """Prints the labels of each image; reports unreadable files on stderr and with exit code 1."""
    if not argv[1:]:
        raise UserError("IMAGE must name at least one image file or directory, got none")
    predictor = open_predictor(FLAGS.model)
    rows, failed = [], False
    for file, probabilities, error in predictor.predict_files(argv[1:]):
        if probabilities is None:
            print(f"error: {common.printable(f'{file}: {error}')}", file=sys.stderr)
            failed = True
            continue
        best = probabilities.argsort()[::-1][: FLAGS.top]
        labels = [{"label": predictor.class_names[i], "probability": float(probabilities[i])} for i in best]
        rows.append({"image": file, "labels": labels})
        if not FLAGS.json:
            line = ", ".join(f"{row['label']} {row['probability']:.1%}" for row in labels)
            print(common.printable(f"{file}: {line}"))
    if FLAGS.json:
        print(json.dumps(rows, indent=2))
    return 1 if failed else 0


if __name__ == "__main__":
    common.run(main)
