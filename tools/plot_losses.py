"""Draws the training losses (logarithmic) and errors of runs over each other; needs the extra `plots`.

python tools/plot_losses.py docs/images/starts.png "paper's start=runs/paper" "code's start=runs/code"
"""

import pathlib
import sys

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

STYLES = ("-", "--", ":", "-.")


def main(out, *runs):
    """Writes the picture; each run is `NAME=WORKDIR`."""
    figure, (loss, error) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for run, style in zip(runs, STYLES, strict=False):
        name, _, workdir = run.rpartition("=")
        events = EventAccumulator(str(pathlib.Path(workdir) / "logs" / "train")).Reload()
        for axes, tag in ((loss, "loss"), (error, "top1_error")):
            points = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
            axes.plot(*zip(*points, strict=True), style, linewidth=2, label=name)
    loss.set(xlabel="step", ylabel="training loss, mean of ten steps", yscale="log")
    loss.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    loss.yaxis.set_major_formatter("{x:g}")
    loss.yaxis.set_minor_formatter(NullFormatter())
    error.set(xlabel="step", ylabel="training top-1 error, share of ten steps")
    for axes in (loss, error):
        axes.grid(alpha=0.3)
    loss.legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
