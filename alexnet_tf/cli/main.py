"""The console script `alexnet-tf <command>`."""

import runpy
import sys

import alexnet_tf

COMMANDS = {
    "prepare": "make a dataset small once, so that training only reads and crops",
    "train": "train a network, or continue a run",
    "evaluate": "top-1 and top-5 error of a run",
    "export": "write a SavedModel and TFLite files",
    "verify": "check an export on this machine",
    "predict": "label image files",
    "draw": "pictures of a run: kernels, predictions, neighbors, layers, curves, occlusion",
    "features": "a layer's output for image files or a dataset",
    "experiment": "repeat one of the paper's comparisons",
    "presets": "the networks side by side",
    "weights": "turn published weights into a .weights.h5 file",
}


def main():
    """Runs one command in this process; its own flags follow its name."""
    command, rest = (sys.argv[1:2] or ["--help"])[0], sys.argv[2:]
    if command in ("-h", "--help", "help"):
        print("usage: alexnet-tf COMMAND [--flags]; alexnet-tf COMMAND --help lists a command's flags\n")
        print("\n".join(f"  {name:<12}{text}" for name, text in COMMANDS.items()))
        return 0
    if command == "--version":
        print(alexnet_tf.__version__)
        return 0
    if command not in COMMANDS:
        print(f"error: command must be one of {', '.join(COMMANDS)}. Received: {command!r}", file=sys.stderr)
        return 2
    sys.argv = [f"alexnet-tf {command}", *rest]
    runpy.run_module(f"alexnet_tf.cli.{command}", run_name="__main__", alter_sys=True)
    return 0
