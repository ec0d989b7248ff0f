"""The whole way in minutes: trains the paper's network on drawn figures, exports it, labels three image files."""

import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.cli import common  # noqa: E402
from alexnet_tf.cli.startup import tf  # noqa: E402
from alexnet_tf.data import shapes  # noqa: E402
from alexnet_tf.exporting.export import export  # noqa: E402
from alexnet_tf.inference.runners import open_runner  # noqa: E402
from alexnet_tf.runs.recipes import get_recipe  # noqa: E402
from alexnet_tf.runs.run import load_run  # noqa: E402
from alexnet_tf.training.interruption import Interrupted  # noqa: E402
from alexnet_tf.training.loop import train_and_evaluate  # noqa: E402


def main():
    """Runs the demonstration and prints what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("demo"), help="directory for all of it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.monotonic()
    workdir, out = options.out / f"run{options.seed}", options.out / "export"
    recipe = get_recipe("demo", seed=options.seed)
    try:
        result = train_and_evaluate(recipe, workdir)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    run = load_run(workdir)
    formats, images = ["saved_model", "tflite"], run.images("validation", 32)
    rows = export(common.classifier(run), out, formats, images, recipe.preset, about=run.about)
    print(f"\ntop-1 error        {result.top1_error:.1%} of {result.examples} held-out images")
    for row in rows:
        print(f"{row.format:<18} {row.megabytes:.0f} MB, relative error {row.relative_error:.0e} against Keras")
    for file, label in _label_three(options, out):
        print(f"{file}: {label}")
    print(f"time               {time.monotonic() - begun:.0f} s")
    print(f"watch              {common.tensorboard(workdir)}")


def _label_three(options, out):
    """Writes three held-out figures as files and labels them with the TFLite file."""
    runner = open_runner(out / "model.tflite")
    for index in range(3):
        pixels, true = shapes.draw(options.seed, "validation", index)
        file = options.out / f"figure{index}.png"
        file.write_bytes(tf.io.encode_png(pixels).numpy())
        probabilities = runner.classify(file.read_bytes())
        label = runner.class_names[probabilities.argmax()]
        yield file, f"{label} {probabilities.max():.1%}, is {runner.class_names[true]}"


if __name__ == "__main__":
    sys.exit(main())
