"""Addresses and environments for worker processes on this machine."""

import json
import os
import socket


def free_addresses(count):
    """Addresses of this machine that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def environment_of(addresses, index):
    """An environment in which a process is one of several workers."""
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return {**os.environ, "TF_CONFIG": json.dumps(task)}
