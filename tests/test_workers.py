"""Several worker processes over loopback, through the command as a user gives it."""

import os
import random
import signal
import socket
import time
import types

import helpers
import numpy as np
import pytest
import tensorflow as tf
from commands import Command

from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training import distribution, rendezvous
from alexnet_tf.training.loop import Options, train_and_evaluate
from tools.workers import environment_of, free_addresses

# A rate at which losses stay near ln 2: at losses near 0, float32 leaves no relative accuracy.
FIELDS = {
    "width": 1 / 16, "image_size": 67, "statistics_examples": 16, "batch_size": 7, "learning_rate": 1e-5,
    "evaluate_every": 25,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return "folder:" + str(helpers.dark_and_light(tmp_path_factory.mktemp("data") / "set"))


def _recipe(dataset, steps):
    return get_recipe("demo", dataset=dataset, steps=steps, **FIELDS)


def _start(dataset, workdir, steps, environment, **changed):
    fields = {**FIELDS, "recipe": "demo", "dataset": dataset, "steps": steps, "log_every": 1, **changed}
    flags = (f"--{name}={value}" for name, value in fields.items())
    return Command("train", f"--workdir={workdir}", "--layer_summaries_every=0", *flags, environment=environment)


def _finish(processes, seconds=240):
    """Waits for processes; returns what they wrote to stderr."""
    return [process.communicate(timeout=seconds)[1] for process in processes]


def _wait(processes, condition):
    """Waits until something has happened; fails if it cannot happen any more."""
    while not condition():
        ended = [process for process in processes if process.poll() is not None]
        assert not ended, _finish(ended)
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_give_the_losses_of_one_device(request, tmp_path, workers):
    folder = request.getfixturevalue("folder" if workers == 2 else "dataset_name")
    addresses = free_addresses(workers)
    environments = [environment_of(addresses, index) for index in range(workers)]
    if workers == 2:
        job = random.randrange(600)
        environments = [os.environ | _slurm(index, "localhost", "2", 2, job) for index in range(2)]
    processes = [_start(folder, tmp_path / "many", 50, environment) for environment in environments]
    errors = _finish(processes)
    assert [process.returncode for process in processes] == [0] * workers, errors
    # No worker takes the end of another for a crash.
    assert not any("StartAbort" in error for error in errors), errors
    train_and_evaluate(_recipe(folder, 50), tmp_path / "one", Options("none", layer_summaries_every=0, log_every=1))
    one, many = (helpers.journal(tmp_path / name) for name in ("one", "many"))
    assert list(one) == list(many) == list(range(1, 51))
    difference = max(abs(many[step]["loss"] / one[step]["loss"] - 1) for step in one)
    print(f"largest relative difference of losses, {workers} workers: {difference:.1e}")
    assert difference < 1e-5
    one, many = (helpers.journal(tmp_path / name, "validation")[50] for name in ("one", "many"))
    assert many["top1_error"] == one["top1_error"] and many["loss"] == pytest.approx(one["loss"], rel=1e-5)


@pytest.mark.slow
def test_a_killed_worker_ends_the_other_and_both_go_on(dataset_name, tmp_path):
    """One worker is killed and one is asked to stop, in turn; the finished weights are those of an unbroken run."""
    addresses = free_addresses(2)
    environments = [environment_of(addresses, index) for index in range(2)]
    processes = [_start(dataset_name, tmp_path / "two", 80, one, checkpoint_minutes=0) for one in environments]
    _wait(processes, lambda: (tmp_path / "two" / "checkpoints" / "checkpoint").exists())
    processes[1].send_signal(signal.SIGKILL)
    errors = _finish(processes)
    assert processes[0].returncode == distribution.LOST_WORKER_EXIT_CODE, errors[0]
    assert "error: Lost a worker. Restart all workers to resume." in errors[0]
    done = len(helpers.journal(tmp_path / "two"))
    assert 0 < done < 60
    # Asked to stop, one worker takes the other along.
    processes = [_start(dataset_name, tmp_path / "two", 80, one) for one in environments]
    _wait(processes, lambda: len(helpers.journal(tmp_path / "two")) > done + 5)
    processes[1].send_signal(signal.SIGTERM)
    errors = _finish(processes)
    assert [process.returncode for process in processes] == [143, 143], errors
    processes = [_start(dataset_name, tmp_path / "two", 80, one) for one in environments]
    errors = _finish(processes)
    assert [process.returncode for process in processes] == [0, 0], errors
    train_and_evaluate(_recipe(dataset_name, 80), tmp_path / "one", helpers.UNWATCHED)
    one, two = (load_run(tmp_path / name).model.get_weights() for name in ("one", "two"))
    for expected, found in zip(one, two, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_different_recipes_are_named(dataset_name, tmp_path):
    addresses = free_addresses(2)
    processes = [
        _start(dataset_name, tmp_path / "run", 10, environment_of(addresses, index), momentum=0.9 + index / 16)
        for index in range(2)
    ]
    errors = _finish(processes, 60)
    assert [process.returncode for process in processes] == [1, 1]
    assert (
        "all workers must have the same settings, but worker 1 differs in momentum: 0.9 here, 0.9625 there" in errors[0]
    )
    assert (
        "all workers must have the same settings, but worker 0 differs in momentum: 0.9625 here, 0.9 there" in errors[1]
    )
    assert not (tmp_path / "run").exists()


def test_a_silent_peer_is_named():
    addresses = free_addresses(3)
    with socket.socket() as listens:
        # One that listens, but does not answer; one that does not even listen.
        listens.bind(("localhost", int(addresses[1].rpartition(":")[2])))
        listens.listen()
        with pytest.raises(ValueError, match=f"within 1 s, got no answer from {addresses[1]}, {addresses[2]}"):
            rendezvous.meet(addresses, 0, {}, timeout_seconds=1)


def test_a_taken_address_is_named():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        address = f"localhost:{taken.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"must be free, got {address}: Address already in use"):
            rendezvous.meet([address, "localhost:1"], 0, {}, timeout_seconds=1)


@pytest.mark.parametrize(
    "config, message",
    [("{", "TF_CONFIG must be JSON like"), ('{"cluster": {}}', "TF_CONFIG must be JSON like"),
     ('{"cluster": {"ps": ["a:1"], "worker": ["b:2"]}, "task": {"type": "worker", "index": 0}}', "workers only"),
     ('{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}', "task index from 0 to 1"),
     ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}', "different addresses"),
     ('{"cluster": {"worker": ["a", "b:2"]}, "task": {"type": "worker", "index": 0}}', "different addresses")],
)  # fmt: skip
def test_bad_tf_configs_are_named(monkeypatch, config, message):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match=message):
        distribution.make_strategy("multi_worker")


def test_no_workers_and_no_such_devices(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="needs TF_CONFIG or SLURM's variables"):
        distribution.make_strategy("multi_worker")
    with pytest.raises(ValueError, match="strategy must be one of auto, none, mirrored, multi_worker"):
        distribution.make_strategy("tpu")
    with pytest.raises(ValueError, match="devices must be from 1 to 2, the devices of this machine, got 3"):
        distribution.make_strategy("mirrored", 3)
    assert distribution.make_strategy("mirrored", 1).num_replicas_in_sync == 1


@pytest.mark.parametrize("gpus", [None, "0", "0,1,2,3"])
def test_slurms_variables_make_workers(monkeypatch, gpus):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES") if gpus is None else monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    for name, value in _slurm(1, "node[1-2]", "2,1", 3, 700).items():
        monkeypatch.setenv(name, value)
    resolver = distribution._resolver()
    assert resolver.cluster_spec().as_dict() == {"worker": ["node1:26400", "node1:26401", "node2:26400"]}
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)
    assert distribution._several_workers()
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "1")
    with pytest.raises(ValueError, match="SLURM's variables must describe a job step"):
        distribution._resolver()


def _slurm(task, nodes, tasks_per_node, tasks, job):
    return {
        "SLURM_PROCID": str(task), "SLURM_STEP_NUM_TASKS": str(tasks), "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks_per_node, "SLURM_JOB_ID": str(job),
    }  # fmt: skip


def test_a_worker_that_ends_early_is_no_loss_once_the_work_is_done(tmp_path):
    """Worker 1 may end before its last message has reached worker 0."""

    def gone(*_, **__):
        raise tf.errors.UnavailableError(None, None, "Connection reset by peer")

    strategy = types.SimpleNamespace(cluster_resolver="some", run=gone, reduce=gone)
    with pytest.raises(tf.errors.UnavailableError):
        distribution.wait_for_others(strategy, tmp_path / "result.json")
    (tmp_path / "result.json").touch()
    distribution.wait_for_others(strategy, tmp_path / "result.json")


def test_worker_0_waits_until_nobody_listens():
    with socket.create_server(("localhost", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        start = time.monotonic()
        rendezvous.wait_for_end([address], timeout_seconds=0.3)
        assert time.monotonic() - start >= 0.3
    start = time.monotonic()
    rendezvous.wait_for_end([address])
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "greeting",
    [
        b"", b"GET / HTTP/1.1", b"\xff\x00", b"[" * 100_000, b"[]", b"7", b"{}", b'{"worker": 1}',
        b'{"worker": [1], "settings": {}}', b'{"worker": "1", "settings": {}}', b'{"worker": 1, "settings": 5}',
    ],
)  # fmt: skip
def test_a_peer_that_sends_anything_else_is_no_worker(greeting):
    assert rendezvous._parsed(greeting) == {}
    assert rendezvous._parsed(b'{"worker": 1, "settings": {"seed": 0}}') == {1: {"seed": 0}}
