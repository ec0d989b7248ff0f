"""Writes the goldens beside this file: what this version saves, for later versions to open.

python tests/goldens/make.py

Run it from the root of the project, and only together with a new format version: until then, later versions must read
what is here.
"""

import contextlib
import json
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import tensorflow as tf

from alexnet_tf.data import shapes
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.prepare import prepare
from alexnet_tf.data.prepare_options import PrepareOptions
from alexnet_tf.exporting.export import export
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training.loop import Options, train_and_evaluate

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = ("circle", "star")


def main() -> None:
    """Prepares a tiny set, trains a tiny network on it, exports it, and notes what it answers."""
    for name in ("records", "run", "export"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        # Within the directory, so that the names of its files are relative.
        with contextlib.chdir(scratch):
            _draw(pathlib.Path("shapes"))
            prepare(
                open_dataset("folder:shapes"), HERE / "records", PrepareOptions(size=32, format="raw", shard_size=8)
            )
    # Relative, so that the recipe is the same wherever the project lies.
    recipe = get_recipe(
        "four_layers", dataset="records:tests/goldens/records", width=0.125, batch_size=4, steps=2,
        initialization="he", seed=0,
    )  # fmt: skip
    train_and_evaluate(recipe, HERE / "run", Options("none", layer_summaries_every=0))
    # TensorBoard's events and the second checkpoint say nothing that the rest does not.
    for name in ("logs", "best", "train.log"):
        path = HERE / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    run = load_run(HERE / "run")
    predictor = run.predictor()
    images = run.images("validation", 4)
    export(predictor, HERE / "export", ["saved_model", "tflite"], images=images, about=run.about)
    answers = np.asarray(predictor.probabilities(tf.constant(images)))
    (HERE / "answers.json").write_text(
        json.dumps({"images": images.tolist(), "probabilities": answers.tolist()}) + "\n"
    )


def _draw(folder: pathlib.Path) -> None:
    """Sixteen generated shapes of two classes as an image folder."""
    names = shapes.CLASS_NAMES
    for index in range(200):
        pixels, label = shapes.draw(0, "train", index)
        directory = folder / names[label]
        if names[label] not in CLASSES or (directory.is_dir() and len(list(directory.iterdir())) == 8):
            continue
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{index:03}.png").write_bytes(tf.io.encode_png(pixels).numpy())


if __name__ == "__main__":
    sys.exit(main())
