"""Opens the files of a corpus in a process of its own, which one of them may crash, and says what became of each.

A corpus is a module with `KINDS`; `good_files(root)`; `warm_up(root)`, which does what is slow only once; and
`make(root, number)`, which writes the file with a number, and returns its kind and a function that opens it and says
whether what was read is right. It need not be for kinds in `UNPROTECTED`.

As a script: `python corpora.py ROOT MODULE:COUNT …` prints a JSON list for each file.
"""

import collections
import importlib
import json
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import traceback
import warnings

# The slowest file takes one second on an idle machine, and almost three where many processes share its cores.
SECONDS, GIGABYTES = 6, 2


def check(root, counts):
    """Opens the first files of some corpora, {module: count}.

    Returns:
        A counter of outcomes; the rows of failures; the row of the slowest file; and the most memory, in gigabytes.

    A file fails if it crashes the process, raises what is not one line for a user, is read as something else, or takes
    more than `SECONDS` of processor time or `GIGABYTES`.
    """
    for module in counts:
        module.good_files(root / module.__name__)
    parts, count = [f"{module.__name__}:{count}" for module, count in counts.items()], sum(counts.values())
    # The last line names the file at which the process died.
    done = subprocess.run(
        [sys.executable, __file__, root, *parts], capture_output=True, text=True, timeout=60 + 5 * count, check=False
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    results = [row for row in rows if row[2] != "begun"]
    outcomes = collections.Counter(row[2] for row in results)
    failures = [row for row in results if _fails(row)]
    if done.returncode or len(results) != count:
        failures.append([*rows[-1:], f"exit code {done.returncode}", done.stderr[-2000:]])
    slowest = max(results, key=lambda row: row[4], default=[0] * 6)
    return outcomes, failures, slowest, max((row[5] for row in results), default=0)


def _fails(row):
    _, _, outcome, message, seconds, gigabytes = row
    one_line = outcome != "refused" or (message and "\n" not in message and len(message) < 1500)
    return outcome in ("bug", "wrong") or seconds > SECONDS or gigabytes > GIGABYTES or not one_line


def _seconds():
    """Of processor time, of this process and those that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_gigabytes():
    """The most memory that this process has had. Not ru_maxrss, which includes that of the process that started it."""
    status = pathlib.Path("/proc/self/status")
    if not status.exists():  # Not Linux.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1e6


def main(root, name, count):
    from alexnet_tf.cli import common
    from alexnet_tf.errors import UserError

    warnings.simplefilter("ignore")
    module = importlib.import_module(name)
    module.warm_up(root)
    for number in range(count):
        print(json.dumps([number, module.KINDS[number % len(module.KINDS)], "begun", "", 0.0]), flush=True)
        kind, open_it = module.make(root, number)
        start = _seconds()
        signal.alarm(120)  # What waits forever, e.g. for a pipe, is killed.
        try:
            outcome, message = "opened" if open_it() else "wrong", ""
            if outcome == "wrong" and kind in module.UNPROTECTED:
                outcome = "changed"
        except UserError as error:
            outcome, message = "refused", str(error)
        except Exception as error:
            message = common.user_message(error)
            outcome, message = ("refused", message) if message else ("bug", traceback.format_exc())
        signal.alarm(0)
        print(json.dumps([number, kind, outcome, message, _seconds() - start, peak_gigabytes()]), flush=True)
        shutil.rmtree(root / str(number))


if __name__ == "__main__":
    for part in sys.argv[2:]:
        name, _, count = part.partition(":")
        main(pathlib.Path(sys.argv[1]) / name, name, int(count))
