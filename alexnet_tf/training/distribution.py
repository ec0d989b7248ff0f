"""Which devices train, and what workers must agree on before they do."""

import contextlib
import json
import os
import socket
import sys
import threading

import tensorflow as tf

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
# Workers that do not meet within so many seconds are told so, instead of waiting for ever.
MEETING_SECONDS = 45
# What sysexits.h calls a temporary failure: the same command, given again, goes on.
LOST_WORKER_EXIT_CODE = 75

_TF_CONFIG = "TF_CONFIG"


def make_strategy(name="auto", devices=None):
    """The `tf.distribute` strategy of that name.

    Args:
        name: `"none"`: one device; `"mirrored"`: all local GPUs, or all logical CPUs where there is none;
            `"multi_worker"`: the processes that `TF_CONFIG`, or else SLURM, names; `"auto"`: multi_worker where one
            of these names several processes, mirrored where there are several GPUs, otherwise none.
        devices: how many local devices at most; all if not given.

    Raises:
        ValueError: on another name, more devices than there are, or a description of workers that makes no sense.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: strategy={name!r}")
    # Workers come first: they must meet before TensorFlow is used for anything else.
    if name == "multi_worker" or (name == "auto" and _several_workers()):
        return _multi_worker(devices)
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


def agree(strategy, text):
    """Checks that all workers were started alike.

    Args:
        strategy: of `make_strategy`.
        text: JSON of a flat dictionary; must be the same in every worker.

    Raises:
        ValueError: if another worker's differs; it names the fields.
    """
    if strategy.cluster_resolver is None:
        return
    width = 1 << 14
    padded = text.encode().ljust(width)
    if len(padded) > width:
        raise ValueError(f"a recipe must have at most {width} characters for several workers. Received: {len(padded)}")
    values = tf.constant(list(padded), tf.int32)[None]
    with deadline(MEETING_SECONDS, lambda: "workers do not answer one another"):
        per_replica = strategy.run(lambda: tf.identity(values))
        everyone = strategy.gather(per_replica, axis=0).numpy().astype("uint8")
    for number, row in enumerate(everyone):
        differences = _differences(json.loads(text), json.loads(row.tobytes().decode().rstrip()))
        if differences:
            raise ValueError(f"all workers must be started alike. Replica {number} differs in {differences}")


def _differences(here, there):
    return "; ".join(f"{k}: {here[k]!r} here, {there.get(k)!r} there" for k in here if here[k] != there.get(k))


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


@contextlib.contextmanager
def deadline(seconds, message):
    """Ends the process with one line on stderr if the context is not left in time.

    For calls into TensorFlow that wait for other processes and take no timeout.
    """

    def give_up():
        print(f"error: {message()}, for {seconds} s", file=sys.stderr, flush=True)
        os._exit(LOST_WORKER_EXIT_CODE)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _several_workers():
    """Whether the environment says that this process is one of several."""
    if os.environ.get(_TF_CONFIG):
        return len(_tf_config()["cluster"].get("worker", [])) > 1
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def _multi_worker(devices):
    resolver = _resolver()
    cluster = resolver.cluster_spec().as_dict()
    own = cluster[resolver.task_type][resolver.task_id]
    others = [address for addresses in cluster.values() for address in addresses if address != own]
    _check_port(own)
    if devices is not None:
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:devices], "GPU")
    with deadline(MEETING_SECONDS, lambda: f"no answer from {', '.join(_silent(others)) or 'the other workers'}"):
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _resolver():
    if os.environ.get(_TF_CONFIG):
        _tf_config()
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_PROCID" not in os.environ:
        raise ValueError("strategy multi_worker needs TF_CONFIG, or SLURM's variables (srun). Received: neither")
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver()
        resolver.cluster_spec()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"SLURM's variables do not describe a job step: {error}") from error
    return resolver


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


def _check_port(address):
    """Raises ValueError if this worker's port is taken, where TensorFlow would abort."""
    port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ValueError(f"this worker's address must be free: {error.strerror}. Received: {address}") from error


def _silent(addresses):
    """Those of some addresses where nobody listens."""
    return [address for address in addresses if not _listens(address)]


def _listens(address):
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False
