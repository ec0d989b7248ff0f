"""`python -m alexnet_tf COMMAND`: the same as `alexnet-tf COMMAND`, also from a checkout that is not installed."""

import sys

from alexnet_tf.cli.main import main

sys.exit(main())
