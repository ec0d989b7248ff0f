"""One line that shows how far long work has come."""

import sys
import time


class Progress:
    """Writes `what 40/270  12 images/s  3:10 left` to stderr: over itself on a terminal, a line every 15 s elsewhere.

    Args:
        what: the name of the work.
        total: units of work.
        done: units that an earlier run did.
    """

    def __init__(self, what, total, done=0):
        self._what, self._total, self._first = what, total, done
        self._start = self._shown = time.monotonic()

    def update(self, done, text=""):
        """Shows that `done` units are done, with some text of the caller's."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if done < self._total and now - self._shown < (0.2 if terminal else 15):
            return
        self._shown = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        left = int((self._total - done) / rate) if rate > 0 else 0
        line = f"{self._what} {done}/{self._total}  {text}  {left // 60}:{left % 60:02d} left"
        end = "\n" if done >= self._total or not terminal else ""
        print(f"\r{line:<100}" if terminal else line, end=end, file=sys.stderr, flush=True)
