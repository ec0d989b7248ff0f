"""Imports TensorFlow without the lines that it writes to stderr at every start, whatever its log level.

Commands import this before anything else that imports TensorFlow, so that an error message is all there is on the
screen. With `TF_CPP_MIN_LOG_LEVEL` set to 0 or 1, everything is shown.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Holds back what this process writes to stderr, C++ included; shows it after all if the block fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _import_tensorflow() -> ModuleType:
    import tensorflow

    tensorflow.config.list_physical_devices()  # Looks for GPUs, and reports on them.
    return tensorflow


with _quiet_stderr() if os.environ["TF_CPP_MIN_LOG_LEVEL"] in ("2", "3") else contextlib.nullcontext():
    tf = _import_tensorflow()
