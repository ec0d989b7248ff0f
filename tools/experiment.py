"""`alexnet-tf experiment` from a checkout that is not installed."""

import pathlib
import runpy
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
runpy.run_module("alexnet_tf.cli.experiment", run_name="__main__", alter_sys=True)
