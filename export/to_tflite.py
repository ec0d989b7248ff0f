"""`alexnet-tf export --formats=tflite,tflite_float16,tflite_int8` from a checkout that is not installed."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.cli.main import main  # noqa: E402

sys.argv[1:1] = ["export", "--formats=tflite,tflite_float16,tflite_int8"]
sys.exit(main())
