"""Damaged and hostile model, manifest and weight files, prepared datasets and runs; `make corpus` opens many more."""

import gzip
import json
import random
import resource

import corpora
import damage
import model_corpus
import odd_files
import pytest
import record_corpus
import run_corpus

from alexnet_tf import storage
from alexnet_tf.data import arrays
from alexnet_tf.data.file_list import FileList
from alexnet_tf.errors import UserError
from alexnet_tf.runs.metrics_log import read_metrics

# One file of each kind; of the prepared datasets those with raw pixels, which are read faster.
COUNTS = {
    model_corpus: len(model_corpus.KINDS),
    record_corpus: len(record_corpus.KINDS) // 2,
    run_corpus: len(run_corpus.KINDS),
}


@pytest.mark.slow
def test_no_file_crashes_hangs_or_takes_memory(tmp_path):
    outcomes, failures, _, _ = corpora.check(tmp_path, COUNTS)
    assert not failures, failures
    print(dict(outcomes))  # `pytest -rP` shows it.
    assert outcomes["refused"] > sum(COUNTS.values()) / 2, "the damage is too small to be noticed"


def test_the_first_half_of_the_datasets_are_raw():
    half = COUNTS[record_corpus]
    assert ["/raw/" in kind for kind in record_corpus.KINDS] == half * [True] + half * [False]


@pytest.mark.parametrize("data", odd_files.ARRAYS[:-1])
def test_arrays_take_no_more_memory_than_their_file(data, tmp_path):
    file = tmp_path / "x.npy"
    file.write_bytes(data)
    with pytest.raises(UserError, match=r"x\.npy' cannot be read: "):
        arrays.read_npy(file)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_no_regular_file_is_not_read(seed, tmp_path):
    file = tmp_path / "x"
    file.write_text("x")
    odd_files.replace(file, _Choice(seed))
    for read in (arrays.read_npy, arrays.read_npz, storage.parse_json, FileList.load):
        with pytest.raises(UserError, match="x' (cannot be read|is not valid JSON)"):
            read(file)


@pytest.mark.parametrize(
    "change",
    [
        {"train": None}, {"train": []}, {"validation": {}}, {"train": {"count": -1}}, {"train": {"count": "2"}},
        {"train": {"labels": [0]}}, {"train": {"labels": ["a", "b"]}}, {"train": {"names": [1, 2]}},
        {"train": {"names": None}}, {"train": {"sizes": [1]}}, {"train": {"more": 1}}, {"format_version": 2},
    ],
)  # fmt: skip
def test_lists_of_files_are_checked(change, tmp_path):
    part = {"count": 2, "names": ["a", "b"], "labels": [0, 1], "sizes": None}
    fields = {"format_version": 1, "train": part, "validation": dict(part)}
    file = tmp_path / "files.json.gz"
    file.write_bytes(gzip.compress(json.dumps(fields).encode()))
    assert FileList.load(file).train.names == ["a", "b"]
    for name, value in change.items():
        fields[name] = {**part, **value} if isinstance(value, dict) and value else value
    file.write_bytes(gzip.compress(json.dumps(fields).encode()))
    with pytest.raises(UserError, match=r"files\.json\.gz' must "):
        FileList.load(file)


def test_damaged_and_oversized_lists_of_files(tmp_path):
    file, rng = tmp_path / "files.json.gz", random.Random(0)
    whole = gzip.compress(json.dumps({"format_version": 1, "names": [str(rng.random()) for _ in range(500)]}).encode())
    for _ in range(40):
        file.write_bytes(damage.damaged(whole, rng))
        with pytest.raises(UserError, match=r"files\.json\.gz' (cannot be read|must be a list)"):
            FileList.load(file)
    # What becomes a thousand times as large is not unpacked.
    file.write_bytes(gzip.compress(b"[" + b" " * 2**28))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="cannot be read"):
        FileList.load(file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2e5  # kB


class _Choice(random.Random):
    """Chooses always the same."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def randrange(self, *_):
        return self._number


@pytest.mark.parametrize(
    "line", ["[]", "7", "{}", '{"kind": 1}', '{"kind": "train"}', '{"kind": "train", "step": "1"}',
             '{"kind": "train", "step": 1, "loss": "x"}', '{"kind": "train", "step": 1, "loss": 1' + 400 * "0" + "}"],
)  # fmt: skip
def test_lines_of_metrics_are_checked(line, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "header", "format_version": 1}\n' + line)
    with pytest.raises(UserError, match=r"metrics\.jsonl' must have kind, step, epoch and metrics in line 2, got "):
        read_metrics(tmp_path, "train")


def test_a_pattern_is_no_workdir_of_curves(tmp_path):
    with pytest.raises(UserError, match="workdir must not contain any of"):
        read_metrics(tmp_path / "r?", "train")
