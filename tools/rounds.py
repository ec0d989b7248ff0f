"""Measures several things against each other in one run, since a machine's speed drifts."""

import multiprocessing
import statistics


def medians(makers, rounds):
    """Measures each thing in a process of its own, in rounds that alternate between them.

    Args:
        makers: {name: function}; each function runs once in its process and returns a measurement, a function
            without arguments that returns a number.
        rounds: how many times each is measured, after one more time that does not count: it traces and compiles.

    Returns:
        {name: the median of its rounds}.
    """
    spawn = multiprocessing.get_context("spawn")
    pipes, found = {}, {name: [] for name in makers}
    for name, make in makers.items():
        pipes[name], far_end = spawn.Pipe()
        # No daemon: a peer may need processes of its own.
        spawn.Process(target=_measure_on_request, args=(make, far_end)).start()
        far_end.close()
    for number in range(rounds + 1):
        for name, pipe in pipes.items():
            pipe.send("measure")
            value = pipe.recv()
            if number:
                found[name].append(value)
    for pipe in pipes.values():
        pipe.send(None)
    return {name: statistics.median(values) for name, values in found.items()}


def _measure_on_request(make, pipe):
    measure = make()
    while pipe.recv():
        pipe.send(measure())
