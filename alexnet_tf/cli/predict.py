"""Labels image files with a run, or any file of an export.

alexnet-tf predict --model=DIR_OR_FILE photo.jpg
"""

import json
import pathlib
import sys

from absl import flags

from alexnet_tf.cli import common
from alexnet_tf.cli.startup import tf
from alexnet_tf.inference.runners import classifier_runner, open_runner
from alexnet_tf.runs.run import is_run, load_run

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "a run's workdir, an export's directory, or a .tflite or .onnx file", required=True)
flags.DEFINE_integer("top", 5, "labels an image", lower_bound=1)
flags.DEFINE_bool("json", False, "print JSON")


def main(argv):
    """Prints each image's labels; files that are no images are named on stderr and make the exit code 1."""
    files = argv[1:]
    if not files:
        raise ValueError("IMAGE must name at least one image file. Received: none")
    runner = _runner(FLAGS.model)
    answers = []
    for file in files:
        try:
            probabilities = runner.classify(pathlib.Path(file).read_bytes())
        except (OSError, tf.errors.InvalidArgumentError) as error:
            reason = error.strerror if isinstance(error, OSError) else common.NO_IMAGE
            print(f"error: {file}: {reason}", file=sys.stderr)
            continue
        best = probabilities.argsort()[::-1][: FLAGS.top]
        labels = [{"label": runner.class_names[i], "probability": float(probabilities[i])} for i in best]
        answers.append({"image": file, "labels": labels})
        if not FLAGS.json:
            print(f"{file}: " + ", ".join(f"{row['label']} {row['probability']:.1%}" for row in labels))
    if FLAGS.json:
        print(json.dumps(answers, indent=2))
    return 0 if len(answers) == len(files) else 1


def _runner(path):
    if not is_run(path):
        return open_runner(path)
    return classifier_runner(common.classifier(load_run(path)))


if __name__ == "__main__":
    common.run(main)
