"""Which devices train."""

import contextlib
import json
import os

import tensorflow as tf

from alexnet_tf.training import rendezvous

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
# What sysexits.h calls a temporary failure: the same command, given again, goes on.
LOST_WORKER_EXIT_CODE = 75

_TF_CONFIG = "TF_CONFIG"
_MOST_TASKS = 64  # Of SLURM on one machine.


def make_strategy(name="auto", devices=None, terms=None):
    """The `tf.distribute` strategy of that name.

    Args:
        name: `"none"`: one device; `"mirrored"`: all local GPUs, or all logical CPUs where there is none;
            `"multi_worker"`: the processes that `TF_CONFIG`, or else SLURM, names; `"auto"`: multi_worker where one
            of these names several processes, mirrored where there are several GPUs, otherwise none.
        devices: how many local devices at most; all if not given.
        terms: flat dictionary that must be the same in all workers.

    Raises:
        ValueError: on another name, more devices than there are, a description of workers that makes no sense, a
            worker that does not come (see `rendezvous.SECONDS`), or one with other terms.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: strategy={name!r}")
    # Workers come first: they must meet before TensorFlow is used for anything else.
    if name == "multi_worker" or (name == "auto" and _several_workers()):
        return _multi_worker(devices, terms or {})
    gpus = tf.config.list_logical_devices("GPU")
    found = gpus or tf.config.list_logical_devices("CPU")
    if devices is not None and not 1 <= devices <= len(found):
        raise ValueError(f"devices must be from 1 to {len(found)}, which are here. Received: devices={devices}")
    chosen = [device.name for device in found[:devices]]
    if name == "none" and len(chosen) > 1 and devices is not None:
        raise ValueError(f"devices must be 1 for strategy none. Received: devices={devices}")
    if name == "none" or (name == "auto" and (len(gpus) < 2 or len(chosen) < 2)):
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(chosen)


def is_chief(strategy):
    """Whether this process is the one that writes: the only one, or worker 0."""
    resolver = strategy.cluster_resolver
    return resolver is None or (resolver.task_type, resolver.task_id) in ((None, None), ("chief", 0), ("worker", 0))


class LostWorkerError(Exception):
    """Another worker is gone, so that this one cannot go on."""


@contextlib.contextmanager
def noticing_lost_workers(strategy):
    """Within the context, what TensorFlow raises when a worker is gone becomes one `LostWorkerError`."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        if strategy.cluster_resolver is None:
            raise
        raise LostWorkerError(
            "another worker is gone; give the same command again to all workers, and they go on from the last "
            f"checkpoint ({' '.join(error.message.split())[:200]})"
        ) from error


def _several_workers():
    """Whether the environment says that this process is one of several."""
    if os.environ.get(_TF_CONFIG):
        return len(_tf_config()["cluster"].get("worker", [])) > 1
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def _multi_worker(devices, terms):
    resolver = _resolver()
    addresses = resolver.cluster_spec().as_dict()[resolver.task_type]
    rendezvous.meet(addresses, resolver.task_id, terms)
    if devices is not None:
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:devices], "GPU")
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _resolver():
    if os.environ.get(_TF_CONFIG):
        _tf_config()
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_PROCID" not in os.environ:
        raise ValueError("strategy multi_worker needs TF_CONFIG, or SLURM's variables (srun). Received: neither")
    try:
        # Which GPUs are whose is SLURM's affair: TensorFlow only counts the tasks, and needs GPUs enough for that.
        slurm = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_slurm_port(), gpus_per_node=_MOST_TASKS, gpus_per_task=1, auto_set_gpu=False
        )
        cluster = slurm.cluster_spec()
        task_type, task_id = slurm.get_task_info()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"SLURM's variables do not describe a job step: {error}") from error
    gpus = {"GPU": len(tf.config.list_physical_devices("GPU"))}
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        cluster, task_type=task_type, task_id=task_id, num_accelerators=gpus, rpc_layer="grpc"
    )


def _slurm_port():
    """The first port of a job, by its number: two jobs on one machine must not meet."""
    return 20_000 + 64 * (int(os.environ.get("SLURM_JOB_ID", "0")) % 600)


def _tf_config():
    """The content of TF_CONFIG, checked; TensorFlow itself would wait for ever, or show a traceback."""
    text = os.environ[_TF_CONFIG]
    form = '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        index = int(task["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"TF_CONFIG must be JSON like {form}. Received: {text!r}") from error
    if set(config["cluster"]) != {"worker"} or task.get("type") != "worker":
        raise ValueError(f"TF_CONFIG must name workers only, like {form}. Received: {text!r}")
    if not 0 <= index < len(workers):
        raise ValueError(f"TF_CONFIG: task index must be from 0 to {len(workers) - 1}. Received: index={index}")
    odd = [worker for worker in workers if not str(worker).rpartition(":")[2].isdigit() or ":" not in str(worker)]
    if odd or len(set(workers)) < len(workers):
        raise ValueError(f"TF_CONFIG: workers must be different addresses host:port. Received: {workers}")
    return config
