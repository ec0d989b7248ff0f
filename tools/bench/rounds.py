"""Measures several contenders in alternating rounds, because the speed of a machine drifts."""

import contextlib
import dataclasses
import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Sequence

import numpy as np


class DifferentOutputsError(Exception):
    """A contender does not compute what the others do, so that its time means nothing."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """What a contender gives in its own process.

    Attributes:
        measure: returns a time in seconds, per image (or per unit of work of a limit).
        outputs: float32 (images, classes), probabilities for the first images of the benchmark; None if there are none.
    """

    measure: Callable[[], float]
    outputs: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Contender:
    """One thing to measure.

    Attributes:
        name: its name in the table.
        make: makes its `Probe`; called once, in a process of its own.
        bound: largest allowed relative difference of its outputs; None if they are not compared.
        package: what it needs beside the package's own requirements, as imported.
        gflop, gigabytes: what it must at least compute in float32 and read from memory for an image; 0 if this does not
            limit it.
    """

    name: str
    make: Callable[[], Probe]
    bound: float | None = None
    package: str = ""
    gflop: float = 0.0
    gigabytes: float = 0.0

    @property
    def installed(self) -> bool:
        return not self.package or importlib.util.find_spec(self.package) is not None


@dataclasses.dataclass(frozen=True)
class Measured:
    """The result of a contender: seconds of each round, and the relative difference of its outputs, if compared."""

    seconds: list[float]
    difference: float | None


def alternate(contenders: Sequence[Contender], rounds: int, expected: np.ndarray | None = None) -> dict[str, Measured]:
    """Compares the outputs of all contenders, then measures them in rounds that alternate between them.

    Args:
        contenders: installed ones; each is made in a process of its own, with the settings that its user would have.
        rounds: how often each is measured, after one more time that does not count: it traces and compiles.
        expected: float32 (images, classes), what all must compute.

    Returns:
        The results by name.

    Raises:
        DifferentOutputsError: if outputs differ by more than the bound of their contender.
        RuntimeError: if a process ends; it has printed why.
    """
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    try:
        for contender in contenders:
            pipes[contender.name], far_end = spawn.Pipe()
            # No daemon: a peer may need processes of its own.
            processes.append(spawn.Process(target=_serve, args=(contender.make, far_end)))
            processes[-1].start()
            far_end.close()
        differences = {
            contender.name: compare(contender, _receive(contender.name, pipes), expected) for contender in contenders
        }
        seconds: dict[str, list[float]] = {name: [] for name in pipes}
        for number in range(rounds + 1):
            for name, pipe in pipes.items():
                pipe.send("measure")
                time_taken = _receive(name, pipes)
                if number:
                    seconds[name].append(time_taken)
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for pipe in pipes.values():
            pipe.close()  # Which ends the process.
        for process in processes:
            process.join()
    return {name: Measured(times, differences[name]) for name, times in seconds.items()}


def compare(contender: Contender, outputs: np.ndarray | None, expected: np.ndarray | None) -> float | None:
    """The relative difference of a contender's outputs; None if they are not compared.

    It is the Euclidean norm of the difference, divided by that of what was expected for the same images. One of the two
    may be of fewer images.

    Raises:
        DifferentOutputsError: if it is larger than the bound of the contender.
    """
    if contender.bound is None:
        return None
    outputs, expected = outputs[: len(expected)], expected[: len(outputs)]
    difference = float(np.linalg.norm(outputs - expected) / np.linalg.norm(expected))
    if not difference <= contender.bound:  # A comparison with NaN is False.
        raise DifferentOutputsError(
            f"the outputs of {contender.name!r} differ by {difference:.2g} (relative), more than {contender.bound:g}"
        )
    return difference


def timed(step: Callable[[], object], images: int, steps: int) -> Callable[[], float]:
    """A measurement for `Probe`: seconds per image of a call that takes several images, as mean of some calls."""

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - started) / (steps * images)

    return measure


def _receive(name: str, pipes: dict):
    try:
        return pipes[name].recv()
    except EOFError:
        raise RuntimeError(f"the process of {name!r} ended; its error is above") from None


def _serve(make: Callable[[], Probe], pipe) -> None:
    probe = make()
    with contextlib.suppress(EOFError, BrokenPipeError):  # The benchmark has ended.
        pipe.send(probe.outputs)
        while pipe.recv():
            pipe.send(probe.measure())
