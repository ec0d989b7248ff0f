"""What is saved, what is left when saving fails, and what signals leave behind."""

import dataclasses
import os
import shutil
import signal
import threading

import commands
import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf import storage
from alexnet_tf.errors import SaveError
from alexnet_tf.evaluation.evaluator import Evaluator
from alexnet_tf.runs import checkpoints, layout
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training.interruption import Interrupted
from alexnet_tf.training.loop import Options, train_and_evaluate

ONE = Options("none", layer_summaries_every=0, checkpoint_minutes=0)


@pytest.fixture(scope="module")
def recipe(dataset_name):
    """A run whose rate hangs on the plateau's count, so that a lost or repeated validation shows."""
    return get_recipe(
        "paper", dataset=dataset_name, width=1 / 16, image_size=67, batch_size=8, statistics_examples=16,
        initialization="he", learning_rate=1e-4, steps=12, evaluate_every=4, patience=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(recipe, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("unbroken")
    train_and_evaluate(recipe, workdir, ONE)
    return workdir


@pytest.fixture(scope="module")
def stopped(recipe, tmp_path_factory):
    """The same run after 4 steps in `4`, and after 8 in `8`."""
    root = tmp_path_factory.mktemp("stopped")
    train_and_evaluate(dataclasses.replace(recipe, steps=4), root / "4", ONE)
    shutil.copytree(root / "4", root / "8")
    train_and_evaluate(dataclasses.replace(recipe, steps=8), root / "8", ONE)
    return root


def _assert_same(one, other):
    for a, b in zip(*(load_run(workdir).model.get_weights() for workdir in (one, other)), strict=True):
        np.testing.assert_array_equal(a, b)


def _newest(workdir):
    return checkpoints.candidates(workdir / layout.CHECKPOINTS)[0]


@pytest.mark.parametrize("ruin", ["data", "index", "list"])
def test_a_ruined_newest_checkpoint_is_passed_over(recipe, unbroken, stopped, tmp_path, capsys, ruin):
    shutil.copytree(stopped / "8", tmp_path, dirs_exist_ok=True)
    newest = _newest(tmp_path)
    file = {
        "data": f"{newest}.data-00000-of-00001",
        "index": f"{newest}.index",
        "list": tmp_path / layout.CHECKPOINTS / "checkpoint",
    }[ruin]
    os.truncate(file, os.path.getsize(file) // 2)
    load_run(tmp_path)
    train_and_evaluate(recipe, tmp_path, ONE)
    _assert_same(unbroken, tmp_path)
    assert (f"unreadable checkpoint {newest}, trying an older one" in capsys.readouterr().err) == (ruin != "list")


def test_no_readable_checkpoint_is_refused(recipe, stopped, tmp_path):
    shutil.copytree(stopped / "4", tmp_path, dirs_exist_ok=True)
    for path in checkpoints.candidates(tmp_path / layout.CHECKPOINTS):
        os.truncate(f"{path}.data-00000-of-00001", 10)
    with pytest.raises(ValueError, match="no checkpoint in .* is readable; move them away to start from scratch"):
        train_and_evaluate(recipe, tmp_path, ONE)


def test_the_best_weights_are_kept(recipe, tmp_path):
    result = train_and_evaluate(dataclasses.replace(recipe, learning_rate=1e-3, steps=24), tmp_path, ONE)
    errors = {step: row["top1_error"] for step, row in helpers.journal(tmp_path, "validation").items()}
    assert len(errors) == 6 and len(set(errors.values())) > 1
    run = load_run(tmp_path, best=True)
    metrics = Evaluator(run.predictor())(run.dataset.validation)
    assert metrics.top1_error == min(errors.values())
    assert errors[24] == result.top1_error
    assert len(checkpoints.candidates(tmp_path / layout.BEST)) == 1


@pytest.fixture
def state():
    """Something small to save."""
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    return {"model": model, "step": tf.Variable(0)}


def test_numbers_go_on_from_the_highest(state, tmp_path):
    """Each process once began with 1 again, so that an older checkpoint could be taken for the newest."""
    (tmp_path / layout.CHECKPOINTS).mkdir()
    for number in range(1, 5):
        saved = checkpoints.Checkpoints(tmp_path, state)
        saved.save_best()
        saved.save()
        assert checkpoints.candidates(tmp_path / layout.BEST) == [str(tmp_path / layout.BEST / f"ckpt-{number}")]
    assert _newest(tmp_path).endswith("ckpt-4")
    assert tf.train.latest_checkpoint(tmp_path / layout.CHECKPOINTS) == _newest(tmp_path)


def test_what_killed_saves_left_is_swept(state, tmp_path):
    folder = tmp_path / layout.CHECKPOINTS
    folder.mkdir()
    checkpoints.Checkpoints(tmp_path, state).save()
    whole = sorted(folder.iterdir())
    (folder / ".partial.ckpt-2").mkdir()
    (folder / "ckpt-5_temp").mkdir()
    for name in (
        ".partial.ckpt-2/ckpt-2.index",
        "ckpt-2.data-00000-of-00001",
        "ckpt-3.index.tempstate1",
        "ckpt-5_temp/x",
    ):
        (folder / name).touch()
    checkpoints.Checkpoints(tmp_path, state, writes=False)
    assert len(list(folder.iterdir())) > len(whole)
    checkpoints.Checkpoints(tmp_path, state)
    assert sorted(folder.iterdir()) == whole


def test_a_reader_always_finds_a_checkpoint(state, tmp_path, capsys):
    (tmp_path / layout.CHECKPOINTS).mkdir()
    saved = checkpoints.Checkpoints(tmp_path, state)
    saved.save_best()
    done = threading.Event()

    def save():
        while not done.is_set():
            saved.save_best()

    writer = threading.Thread(target=save)
    writer.start()
    try:
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
        for _ in range(50):
            assert checkpoints.restore_newest(tf.train.Checkpoint(model=model), tmp_path / layout.BEST)
    finally:
        done.set()
        writer.join()
    assert not capsys.readouterr().err


def test_too_little_space_is_noticed_before_anything_is_written(state, tmp_path, monkeypatch):
    (tmp_path / layout.CHECKPOINTS).mkdir()
    saved = checkpoints.Checkpoints(tmp_path, state)
    saved.save()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 95, 5))
    with pytest.raises(SaveError, match="it needs 0 MB of free space, got 0 MB. The last one is .*ckpt-1"):
        saved.save()
    with pytest.raises(SaveError, match="free space"), storage.atomic_write(tmp_path / "x.h5", size=1000):
        raise AssertionError("written")
    assert len(checkpoints.candidates(tmp_path / layout.CHECKPOINTS)) == 1 and not list(tmp_path.rglob(".partial*"))


def test_a_full_disk_keeps_the_last_checkpoint(recipe, unbroken, stopped, tmp_path):
    """A limit on the size of files stands for a disk that is full."""
    workdir, file = shutil.copytree(stopped / "4", tmp_path / "run"), tmp_path / "recipe.json"
    before = _newest(workdir)
    recipe.save(file)
    done = commands.run("train", f"--recipe={file}", f"--workdir={workdir}", file_size=200_000)
    assert done.returncode == 1
    assert "error: checkpoint cannot be written: " in done.stderr and f"The last one is {before}" in done.stderr
    assert "Traceback" not in done.stderr
    assert _newest(workdir) == before and not list(workdir.rglob("*temp*"))
    train_and_evaluate(recipe, workdir, ONE)
    _assert_same(unbroken, workdir)


def test_a_workdir_that_cannot_be_written_to_any_more(recipe, stopped, tmp_path, monkeypatch):
    shutil.copytree(stopped / "4", tmp_path, dirs_exist_ok=True)
    folder, aside = tmp_path / layout.CHECKPOINTS, tmp_path / "aside"
    original = checkpoints.Checkpoints.restore

    def restore(self):
        original(self)
        folder.rename(aside)
        folder.touch()

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "restore", restore)
        with pytest.raises(SaveError, match="checkpoint cannot be written: .* or make it writable"):
            train_and_evaluate(recipe, tmp_path, ONE)
    assert checkpoints.candidates(aside)


@pytest.mark.parametrize("kind, name", [(checkpoints.Checkpoints, "save"), (Evaluator, "__call__")])
def test_sigterm_while_saving_or_validating(recipe, unbroken, tmp_path, monkeypatch, kind, name):
    original, calls = getattr(kind, name), []

    def interrupted(self, *args):
        calls.append(args)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(kind, name, interrupted)
        with pytest.raises(Interrupted, match="saved in") as stopped:
            train_and_evaluate(recipe, tmp_path, ONE)
    assert stopped.value.exit_code == 143
    assert ("while validating step 8 of 12" in str(stopped.value)) == (kind is Evaluator)
    train_and_evaluate(recipe, tmp_path, ONE)
    _assert_same(unbroken, tmp_path)
    assert list(helpers.journal(tmp_path, "validation")) == [4, 8, 12]


def test_a_loss_that_is_not_finite_ends_the_run(recipe, stopped, tmp_path):
    shutil.copytree(stopped / "4", tmp_path / "run")
    text = (tmp_path / "run" / "recipe.json").read_text()
    (tmp_path / "run" / "recipe.json").write_text(text.replace('"learning_rate": 0.0001', '"learning_rate": 1e+30'))
    before = _newest(tmp_path / "run")
    # Which step overflows depends on the CPU's kernels; it is one before the next validation. Whatever the interval of
    # metrics, nothing is saved after that step.
    with pytest.raises(FloatingPointError, match=f"not finite after step [5-8], at learning rate 1e\\+30. .*{before}"):
        train_and_evaluate(dataclasses.replace(recipe, learning_rate=1e30), tmp_path / "run", helpers.UNWATCHED)
    assert _newest(tmp_path / "run") == before
