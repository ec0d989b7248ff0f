"""Measures and draws the error of runs that are compressed to several sizes, without fine-tuning.

python tools/compression_curve.py docs/images/compression.png "CIFAR-10=cifar10-run" "shapes=run"
"""

import pathlib
import sys
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.compression.compress import IMAGES, projected  # noqa: E402
from alexnet_tf.compression.projection import components_of  # noqa: E402
from alexnet_tf.compression.ranks import compressible, int4_bytes  # noqa: E402
from alexnet_tf.errors import UserError  # noqa: E402
from alexnet_tf.evaluation.evaluator import evaluate  # noqa: E402
from alexnet_tf.plotting import file_sizes, style  # noqa: E402
from alexnet_tf.runs.run import Run, load_run  # noqa: E402

TARGETS = (2.8, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)


def main(out: str, *networks: str) -> None:
    """Prints and draws a curve for each run, given as `name=workdir`."""
    curves = {}
    for network in networks:
        name, _, workdir = network.partition("=")
        run = load_run(workdir)
        before = evaluate(run.predictor(), run.dataset)
        print(f"{name}: {before.top1_error:.2%} of {before.examples} images before", flush=True)
        curves[name] = before.top1_error, list(_points(run))
        style.save(file_sizes.draw(curves), out)


def _points(run: Run) -> Iterator[tuple[float, float]]:
    """Yields (megabytes, top-1 error) for each target that can be reached."""
    sizes = run.recipe.resize_crop.crop, len(run.class_names)
    components = components_of(run, list(compressible(run.recipe.network, *sizes)), IMAGES)
    for target in TARGETS:
        try:
            smaller = projected(run, run.workdir, components, target * 1e6)
        except UserError as error:
            print(f"{target}: {error}")
            continue
        top1_error = evaluate(smaller.predictor(), run.dataset).top1_error
        print(f"target {target} MB: {smaller.recipe.dense_ranks}, top-1 error {top1_error:.2%}", flush=True)
        yield int4_bytes(smaller.recipe.network, *sizes) / 1e6, top1_error


if __name__ == "__main__":
    main(*sys.argv[1:])
