"""Hides lines that native libraries print to stderr at every call, whatever their log level."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def without_stderr_lines(pattern: str) -> Iterator[None]:
    """Holds back what this process writes to stderr, C++ included; lines that do not match are shown at the end.

    If the block fails, all lines are shown.

    Args:
        pattern: regular expression, matched from the start of each line.
    """
    hidden = re.compile(pattern.encode())
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden = re.compile(b"(?!)")  # Matches nothing.
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            held_back.seek(0)
            for line in held_back:
                if not hidden.match(line):
                    os.write(stderr, line)
            os.close(stderr)
