"""Two hundred and more damaged and hostile model, manifest and weight files; see `model_corpus`."""

import collections
import json
import pathlib
import subprocess
import sys

import model_corpus
import pytest

COUNT = 240


@pytest.mark.slow
def test_no_file_crashes_hangs_or_takes_memory(tmp_path):
    model_corpus.good_files(tmp_path)
    script = pathlib.Path(model_corpus.__file__)
    # In a process of its own, which a file may crash: the last line names it.
    done = subprocess.run(
        [sys.executable, script, tmp_path, "0", str(COUNT)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert done.returncode == 0, (rows[-1:], done.stderr[-2000:])
    results = [row for row in rows if row[2] != "begun"]
    assert len(results) == COUNT
    outcomes = collections.Counter()
    for number, kind, outcome, message, seconds, gigabytes in results:
        outcomes[kind.partition("/")[0], outcome] += 1
        assert outcome in ("refused", "opened"), (number, kind, message)
        assert seconds < 2 and gigabytes < 2, (number, kind, seconds, gigabytes)
        if outcome == "refused":
            assert message and "\n" not in message and len(message) < 1500, (number, kind, message)
    print(dict(outcomes))  # `pytest -rP` shows it.
    # Damage that leaves numbers finite, or fields that nothing reads, may pass; most does not.
    assert outcomes["out", "refused"] > 4 * outcomes["out", "opened"]
    assert outcomes["weights", "refused"] > outcomes["weights", "opened"]
