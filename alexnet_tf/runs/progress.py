"""A progress line for long work."""

import sys
import time


class Progress:
    """Writes `work 40/270  12 images/s  3:10 left` to stderr: in place on a terminal, otherwise a line every 15 s.

    Args:
        work: name of the work.
        total: units of work.
        done: units that an earlier process did.
    """

    def __init__(self, work: str, total: int, done: int = 0) -> None:
        self._work, self._total, self._first = work, total, done
        self._start = self._shown = time.monotonic()

    def update(self, done: int, text: str = "") -> None:
        """Shows that `done` units are done, with some text of the caller's."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if done < self._total and now - self._shown < (0.2 if terminal else 15):
            return
        self._shown = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        left = int((self._total - done) / rate) if rate > 0 else 0
        line = f"{self._work} {done}/{self._total}  {text}  {left // 60}:{left % 60:02d} left"
        end = "\n" if done >= self._total or not terminal else ""
        print(f"\r{line:<100}" if terminal else line, end=end, file=sys.stderr, flush=True)
