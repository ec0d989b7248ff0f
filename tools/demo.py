"""Trains the paper's network on generated shapes, exports it, and classifies three image files, all within minutes."""

import argparse
import pathlib
import sys
import time
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.cli import common  # noqa: E402
from alexnet_tf.cli.startup import tf  # noqa: E402
from alexnet_tf.data import shapes  # noqa: E402
from alexnet_tf.exporting.export import export  # noqa: E402
from alexnet_tf.runs.opening import open_predictor  # noqa: E402
from alexnet_tf.runs.recipes import get_recipe  # noqa: E402
from alexnet_tf.runs.run import load_run  # noqa: E402
from alexnet_tf.training.interruption import Interrupted  # noqa: E402
from alexnet_tf.training.loop import train_and_evaluate  # noqa: E402


def main() -> int:
    """Runs the demonstration and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("demo"), help="directory for all files")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    workdir, out = options.out / f"run{options.seed}", options.out / "export"
    try:
        metrics = train_and_evaluate(get_recipe("demo", seed=options.seed), workdir)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    run = load_run(workdir)
    images = run.images("validation", 32)
    rows = export(run.predictor(), out, ["saved_model", "tflite"], images=images, about=run.about)
    print(f"\ntop-1 error        {metrics.top1_error:.1%} on {metrics.examples} held-out images")
    for row in rows:
        print(f"{row.format:<18} {row.megabytes:.0f} MB, relative error {row.relative_error:.0e} against Keras")
    for file, text in _label_three(options.out, options.seed):
        print(f"{file}: {text}")
    print(f"time               {time.monotonic() - start:.0f} s")
    print(f"watch              {common.tensorboard(workdir)}")
    return 0


def _label_three(out: pathlib.Path, seed: int) -> Iterator[tuple[pathlib.Path, str]]:
    """Writes three held-out images as files and labels them with the TFLite file."""
    predictor = open_predictor(out / "export" / "model.tflite")
    for index in range(3):
        pixels, label = shapes.draw(seed, "validation", index)
        file = out / f"shape{index}.png"
        file.write_bytes(tf.io.encode_png(pixels).numpy())
        probabilities = predictor.predict(file.read_bytes())
        predicted = predictor.class_names[probabilities.argmax()]
        text = f"predicted {predicted} ({100 * probabilities.max():.1f} %), label {predictor.class_names[label]}"
        yield file, text


if __name__ == "__main__":
    sys.exit(main())
