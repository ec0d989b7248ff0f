"""The limits of the machine, measured in the same rounds as the contenders: float32 arithmetic and memory bandwidth."""

import concurrent.futures
import os
import time

import numpy as np

from tools.bench.rounds import Contender, Probe

SIDE, GIGABYTES = 2048, 0.5


def _sgemm() -> Probe:
    """Seconds per GFLOP of a product of two large float32 matrices, by NumPy's BLAS on all cores."""
    a, b = np.random.default_rng(0).random((2, SIDE, SIDE), np.float32)

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(5):
            a @ b
        return (time.perf_counter() - started) / (5 * 2e-9 * SIDE**3)

    return Probe(measure)


def _memory() -> Probe:
    """Seconds to read a GB of float32 numbers, on all cores."""
    cores = os.cpu_count() or 1
    parts = np.array_split(np.ones(int(GIGABYTES * 1e9 / 4), np.float32), cores)
    pool = concurrent.futures.ThreadPoolExecutor(cores)

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(5):
            list(pool.map(lambda part: np.dot(part, part), parts))
        return (time.perf_counter() - started) / (5 * GIGABYTES)

    return Probe(measure)


SGEMM = Contender("sgemm", _sgemm)
MEMORY = Contender("reading memory", _memory)
