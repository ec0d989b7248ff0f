"""One process at a time in a directory, and what a killed one leaves behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import helpers
import pytest

from alexnet_tf import locks
from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.prepare import prepare
from alexnet_tf.errors import UserError
from alexnet_tf.exporting import replacing
from alexnet_tf.exporting.export import check_export
from alexnet_tf.runs import layout
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training.loop import train_and_evaluate

HOLD = """
import pathlib, sys, time
from alexnet_tf import locks
with locks.hold(pathlib.Path(sys.argv[1]), "training in 'x'"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_ends_at_once_and_names_the_first(tmp_path):
    file = tmp_path / locks.LOCK
    first = subprocess.Popen([sys.executable, "-c", HOLD, file], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        start = time.monotonic()
        with pytest.raises(UserError, match=f"training in 'x' must .* one process at a time; process {first.pid} on "):
            with locks.hold(file, "training in 'x'"):
                pass
        assert time.monotonic() - start < 1
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    with locks.hold(file, "training in 'x'"):
        assert json.loads(file.read_text())["pid"] == os.getpid()


def test_a_lock_is_released_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locks.hold(tmp_path / locks.LOCK, "training"):
            raise KeyError


def test_a_file_system_without_locks_is_reported(tmp_path, monkeypatch, capsys):
    def refuse(descriptor):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locks, "_lock", refuse)
    with locks.hold(tmp_path / locks.LOCK, "training"):
        assert "(No locks available): do not start two processes in one directory" in capsys.readouterr().err


def test_training_preparing_and_exporting_hold_one(tmp_path):
    recipe = get_recipe("demo", width=1 / 16, image_size=67, steps=1, statistics_examples=8)
    (tmp_path / "run" / layout.CHECKPOINTS).mkdir(parents=True)
    recipe.save(tmp_path / "run" / layout.RECIPE)
    (tmp_path / "set").mkdir()
    dataset = open_dataset(f"folder:{helpers.dark_and_light(tmp_path / 'set')}")
    works = {
        tmp_path / "run" / locks.LOCK: lambda: train_and_evaluate(recipe, tmp_path / "run", helpers.UNWATCHED),
        tmp_path / "set" / locks.LOCK: lambda: prepare(dataset, tmp_path / "set"),
        tmp_path / ".out.lock": lambda: check_export(tmp_path / "out", ["tflite"]),
    }
    for file, work in works.items():
        with locks.hold(file, "other work"), pytest.raises(UserError, match=f"; process {os.getpid()} on "):
            work()
        assert not file.exists()


def test_a_directory_is_replaced_at_once_or_in_two_steps(tmp_path, monkeypatch):
    assert sys.platform != "linux" or _replaced(tmp_path) == "new"
    monkeypatch.setattr(replacing, "exchange", lambda *_: False)
    assert _replaced(tmp_path) == "new"

    def rename(self, target):
        if self.name == "new":
            raise OSError("refused")
        os.rename(self, target)

    monkeypatch.setattr(pathlib.Path, "rename", rename)
    with pytest.raises(OSError, match="refused"):
        _replaced(tmp_path)
    assert (tmp_path / "out" / "file").read_text() == "old" and not (tmp_path / "aside").exists()


def _replaced(folder):
    """What is in `out` after `new` has taken its place."""
    for name, text in (("out", "old"), ("new", "new")):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "file").write_text(text)
    replacing.replace_directory(folder / "out", folder / "new", folder / "aside")
    assert sorted(path.name for path in folder.iterdir()) == ["out"]
    return (folder / "out" / "file").read_text()
