"""The console script `alexnet-tf COMMAND`."""

import importlib
import runpy
import sys

import alexnet_tf

COMMANDS = {
    "train": "train a network, or resume a run",
    "evaluate": "top-1 and top-5 error of a run, an export, or an ensemble of them",
    "predict": "label image files",
    "export": "write a SavedModel, TFLite and ONNX files",
    "compress": "make a smaller network of a run",
    "verify": "check an export on this machine",
    "prepare": "resize a dataset once, so that training only reads and crops",
    "features": "write a layer's output for image files or a dataset",
    "draw": "pictures of a trained network: kernels, predictions, neighbors, layers, curves, occlusion",
    "experiment": "repeat one of the paper's comparisons",
    "presets": "list the networks side by side",
    "recipes": "list the recipes, or print one as JSON",
    "weights": "convert weights to a .weights.h5, .safetensors or .onnx file",
}
_HELP = ("-h", "--help", "help")
# All others need TensorFlow, which is imported before the command's own modules so that its notices are held back.
_WITHOUT_TENSORFLOW = ("presets",)


def main() -> int:
    """Runs the command that the command line names; returns the exit code."""
    arguments = sys.argv[1:] or ["--help"]
    if arguments[0] in _HELP and len(arguments) > 1:  # `help COMMAND`
        arguments = [arguments[1], "--help"]
    command, *rest = arguments
    if command in _HELP:
        print("usage: alexnet-tf COMMAND [FLAGS]\n")
        print("\n".join(f"  {name:<12}{text}" for name, text in COMMANDS.items()))
        print("\nalexnet-tf help COMMAND lists the flags of a command.")
        return 0
    if command == "--version":
        print(alexnet_tf.__version__)
        return 0
    if command not in COMMANDS:
        print(f"error: command must be one of {', '.join(COMMANDS)}, got {command!r}", file=sys.stderr)
        return 2
    if command not in _WITHOUT_TENSORFLOW:
        importlib.import_module("alexnet_tf.cli.startup")
    sys.argv = [f"alexnet-tf {command}", *rest]
    runpy.run_module(f"alexnet_tf.cli.{command}", run_name="__main__", alter_sys=True)
    return 0
