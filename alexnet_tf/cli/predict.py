"""Labels image files, or the image files in directories.

alexnet-tf predict --model=cifar10 photo.jpg photos/
"""

import json
import sys

from absl import flags

from alexnet_tf.cli import common, model_flags
from alexnet_tf.errors import UserError

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, model_flags.MODEL, required=True)
flags.DEFINE_integer("top", 5, "number of labels for each image", lower_bound=1)
flags.DEFINE_bool("json", False, "print JSON")
flags.adopt_module_key_flags(model_flags)


def main(argv: list[str]) -> int:
    """Prints the labels of each image; reports unreadable files on stderr and with exit code 1."""
    if not argv[1:]:
        raise UserError("IMAGE must name at least one image file or directory, got none")
    predictor = model_flags.opened().predictor
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
