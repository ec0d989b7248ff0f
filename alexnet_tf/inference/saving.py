"""One error for whatever Python and TensorFlow raise when a file cannot be written."""

import contextlib
import os
import re
from collections.abc import Iterator

import tensorflow as tf

from alexnet_tf.errors import SaveError

# What TensorFlow writes before and after a reason.
_NODE = re.compile(r"\{\{[^}]*\}\} ?|\[Op:.*", re.DOTALL)


@contextlib.contextmanager
def save_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turns errors of writing into SaveError: a full disk, a quota and a limit on sizes raise different ones.

    Args:
        path: what is written in the block, for the message.
    """
    try:
        yield
    except SaveError:
        raise
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)
        reason = _NODE.sub("", reason).strip()
        raise SaveError(f"{str(path)!r} cannot be written: {reason}") from error
