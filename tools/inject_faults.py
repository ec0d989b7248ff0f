"""Lets every write, rename, removal and fsync of five kinds of work go wrong in turn; see `tests/faults.py`.

python tools/inject_faults.py
python tools/inject_faults.py --only=runs --every=5
"""

import argparse
import collections
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import time

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import pytest  # noqa: E402
import scenarios  # noqa: E402

NAMES = ("texts", "weights", "checkpoints", "exports", "preparations", "runs")


def main():
    """Prints one line for each kind of work; raises at the first thing that is not whole, or not equal in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=NAMES)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    total = 0
    for name in [options.only] if options.only else NAMES:
        with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
            arguments = (patch,) if name == "exports" else ()
            scenario, start = getattr(scenarios, name)(scratch, *arguments), time.monotonic()
            attempts = scenario.attempts(every=options.every)
            for attempt in attempts:
                try:
                    with contextlib.redirect_stderr(io.StringIO()):
                        scenario.attempt(*attempt)
                except BaseException:
                    print(f"{name}: change {attempt[0]}, {attempt[1]}, of {scenario.kinds}", flush=True)
                    raise
            modes = ", ".join(f"{count} {mode}" for mode, count in collections.Counter(m for _, m in attempts).items())
            total += len(attempts)
            print(f"{name}: {len(attempts)} faults ({modes}) in {time.monotonic() - start:.0f} s: whole", flush=True)
    print(f"{total} faults: what was whole before was whole after, and what was finished is equal")


if __name__ == "__main__":
    main()
