"""The devices that train: one, all of this machine, or those of several workers."""

import contextlib
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.runs import fields
from alexnet_tf.training import rendezvous

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
# EX_TEMPFAIL of sysexits.h: the same command, run again, resumes.
LOST_WORKER_EXIT_CODE = 75

_TF_CONFIG = "TF_CONFIG"
_MAX_TASKS = 64  # Of SLURM on one machine.


# What TensorFlow raises after another worker is gone.
_WORKER_IS_GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class LostWorkerError(Exception):
    """Another worker is gone, so that this one cannot continue."""


def make_strategy(
    name: str = "auto", devices: int | None = None, settings: Mapping[str, Any] | None = None
) -> tf.distribute.Strategy:
    """Makes the `tf.distribute` strategy of a name.

    Args:
        name: `"none"`: one device; `"mirrored"`: all local GPUs, or all logical CPUs if there is no GPU;
            `"multi_worker"`: the processes that `TF_CONFIG`, or else SLURM, names; `"auto"`: multi_worker if one of
            these names several processes, mirrored if there are several GPUs, otherwise none.
        devices: the most local devices to use; all if not given.
        settings: values that must be the same in all workers.

    Raises:
        UserError: on another name, more devices than there are, an invalid description of the workers, a worker that
            does not answer (see `rendezvous.TIMEOUT_SECONDS`), or one with other settings.
    """
    fields.one_of("strategy", name, STRATEGIES)
    # Workers come first: they must be connected before TensorFlow is used for anything else.
    if _is_multi_worker(name):
        return _multi_worker(devices, settings or {})
    gpus = tf.config.list_logical_devices("GPU")
    available = gpus or tf.config.list_logical_devices("CPU")
    if devices is not None and not 1 <= devices <= len(available):
        raise UserError(f"devices must be from 1 to {len(available)}, the devices of this machine, got {devices}")
    chosen = [device.name for device in available[:devices]]
    if name == "none" and len(chosen) > 1 and devices is not None:
        raise UserError(f"devices must be 1 with strategy 'none', got {devices}")
    if name == "none" or (name == "auto" and (len(gpus) < 2 or len(chosen) < 2)):
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(chosen)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes files: the only process, or worker 0."""
    resolver = strategy.cluster_resolver
    return resolver is None or (resolver.task_type, resolver.task_id) in ((None, None), ("chief", 0), ("worker", 0))


def device_kind() -> str:
    """The kind of device that trains: "GPU" or "CPU"."""
    return "GPU" if tf.config.list_logical_devices("GPU") else "CPU"


@contextlib.contextmanager
def detecting_lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Within the context, TensorFlow's errors after the loss of a worker become `LostWorkerError`."""
    try:
        yield
    except _WORKER_IS_GONE as error:
        if strategy.cluster_resolver is None:
            raise
        reason = " ".join(error.message.split())[:200]
        raise LostWorkerError(f"Lost a worker. Restart all workers to resume. ({reason})") from error


def wait_for_others(strategy: tf.distribute.Strategy, result: pathlib.Path) -> None:
    """Waits until every worker has come here, or has ended after the work was done.

    The first worker to leave may end while its last message to another is still on its way, which then finds it gone.

    Args:
        strategy: of the workers.
        result: file that worker 0 writes when all is done: once it exists, there is nothing left to lose.
    """
    if strategy.cluster_resolver is None:
        return

    def count() -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.ones, args=([],)), axis=None)

    try:
        tf.function(count, autograph=False)().numpy()
    except _WORKER_IS_GONE:
        if not result.exists():
            raise


def end_worker(name: str) -> None:
    """Ends this process with exit code 0 if it is one of several workers, after `wait_for_others`.

    An ordinary end takes TensorFlow a while, in which each worker reports the end of another as a crash. Worker 0, to
    which the others are connected, ends last.

    Args:
        name: of the strategy, as for `make_strategy`.
    """
    if not _is_multi_worker(name):
        return
    resolver = _resolver()
    if resolver.task_id == 0:
        rendezvous.wait_for_end(resolver.cluster_spec().as_dict()[resolver.task_type][1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _is_multi_worker(name: str) -> bool:
    return name == "multi_worker" or (name == "auto" and _several_workers())


def _several_workers() -> bool:
    """Whether the environment says that this process is one of several."""
    if os.environ.get(_TF_CONFIG):
        return len(_tf_config()["cluster"].get("worker", [])) > 1
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def _multi_worker(devices: int | None, settings: Mapping[str, Any]) -> tf.distribute.Strategy:
    resolver = _resolver()
    addresses = resolver.cluster_spec().as_dict()[resolver.task_type]
    rendezvous.meet(addresses, resolver.task_id, settings)
    if devices is not None:
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:devices], "GPU")
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _resolver() -> tf.distribute.cluster_resolver.ClusterResolver:
    if os.environ.get(_TF_CONFIG):
        _tf_config()
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_PROCID" not in os.environ:
        raise UserError("strategy 'multi_worker' needs TF_CONFIG or SLURM's variables (srun), got neither")
    try:
        # SLURM assigns the GPUs: TensorFlow only counts tasks, and wants as many GPUs as there may be tasks.
        slurm = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_slurm_port(), gpus_per_node=_MAX_TASKS, gpus_per_task=1, auto_set_gpu=False
        )
        cluster = slurm.cluster_spec()
        task_type, task_id = slurm.get_task_info()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"SLURM's variables must describe a job step: {error}") from error
    gpus = {"GPU": len(tf.config.list_physical_devices("GPU"))}
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        cluster, task_type=task_type, task_id=task_id, num_accelerators=gpus, rpc_layer="grpc"
    )


def _slurm_port() -> int:
    """The first port of a job, by its number, so that two jobs on one machine use different ones."""
    return 20_000 + 64 * (int(os.environ.get("SLURM_JOB_ID", "0")) % 600)


def _tf_config() -> dict[str, Any]:
    """The checked content of TF_CONFIG; with a wrong one TensorFlow would wait forever, or show a traceback."""
    text = os.environ[_TF_CONFIG]
    form = '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        index = int(task["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"TF_CONFIG must be JSON like {form}, got {text!r}") from error
    if set(config["cluster"]) != {"worker"} or task.get("type") != "worker":
        raise UserError(f"TF_CONFIG must name workers only, like {form}, got {text!r}")
    if not 0 <= index < len(workers):
        raise UserError(f"TF_CONFIG must have a task index from 0 to {len(workers) - 1}, got {index}")
    invalid = [worker for worker in workers if not str(worker).rpartition(":")[2].isdigit() or ":" not in str(worker)]
    if invalid or len(set(workers)) < len(workers):
        raise UserError(f"TF_CONFIG must have workers with different addresses host:port, got {workers}")
    return config
