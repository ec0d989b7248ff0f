"""Draws the training losses of runs over each other, on a logarithmic scale.

python tools/plot_losses.py docs/images/starts.png "paper's start=runs/paper" "code's start=runs/code"
"""

import pathlib
import sys

import matplotlib.pyplot as plt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

STYLES = ("-", "--", ":", "-.")


def main(out, *runs):
    """Writes the picture; each run is `NAME=WORKDIR`."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for run, style in zip(runs, STYLES, strict=False):
        name, _, workdir = run.rpartition("=")
        events = EventAccumulator(str(pathlib.Path(workdir) / "logs" / "train")).Reload()
        points = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors("loss")]
        axes.plot(*zip(*points, strict=True), style, linewidth=2, label=name)
    axes.set(xlabel="step", ylabel="training loss, mean of ten steps", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
