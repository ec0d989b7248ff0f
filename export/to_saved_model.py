"""`alexnet-tf export --formats=saved_model` from a checkout that is not installed."""

import pathlib
import runpy
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.argv.insert(1, "--formats=saved_model")
runpy.run_module("alexnet_tf.cli.export", run_name="__main__", alter_sys=True)
