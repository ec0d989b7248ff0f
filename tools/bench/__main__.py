"""Measures this package against its peers, and both against the limits of the machine.

Each suite prints a table: medians of rounds that alternate between the contenders. All of them use all cores.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np

# Not `alexnet_tf` here: it changes settings of TensorFlow, which the peers' processes would inherit.
from tools.bench import inference, input_pipeline, limits, network, report, rounds, training

SUITES = ("train", "infer", "latency", "input")


def main() -> None:
    """Prints the tables."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Of the peers, too: several lines at every start.
    options = _options()
    directory = options.export.absolute()
    results = []
    with tempfile.TemporaryDirectory() as images:
        names = SUITES if options.suite == "all" else (options.suite,)
        if set(names) - {"input"}:
            _in_process(network.export, directory, inference.COMPARED)
        if "input" in names:
            _in_process(input_pipeline.write_images, options.photos, pathlib.Path(images))
        for name in names:
            for suite in _suites(name, options, directory, pathlib.Path(images)):
                results.append({"suite": name, **_run(suite, options.rounds, directory)})
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--suite", choices=(*SUITES, "all"), default="all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32, help="images in a batch of the suites train and infer")
    parser.add_argument("--json", type=pathlib.Path, help="file to write all results to")
    parser.add_argument(
        "--export", type=pathlib.Path, default="build/bench", help="directory of the exported network, kept for later"
    )
    parser.add_argument("--compressed", type=pathlib.Path, help="export whose TFLite files the suite latency adds")
    parser.add_argument("--photos", type=pathlib.Path, help="JPEG files for the suite input; drawings if not given")
    return parser.parse_args()


def _suites(
    name: str, options: argparse.Namespace, directory: pathlib.Path, images: pathlib.Path
) -> list[report.Suite]:
    if name == "train":
        return [training.train_suite(directory, options.batch)]
    if name == "infer":
        return [inference.infer_suite(directory, options.batch)]
    if name == "latency":
        return [inference.latency_suite(directory, options.compressed)]
    return input_pipeline.input_suites(images)


def _run(suite: report.Suite, count: int, directory: pathlib.Path) -> dict[str, object]:
    """Measures a suite, prints its table and returns what `--json` gets."""
    contenders = [contender for contender in suite.contenders if contender.installed]
    compared = any(contender.bound for contender in contenders)
    expected = np.load(directory / network.EXPECTED) if compared else None
    measured = rounds.alternate([limits.SGEMM, limits.MEMORY, *contenders], count, expected)
    lines, machine = report.rows(suite, measured), report.machine(measured)
    print(report.table(suite, lines), flush=True)
    print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in machine.items()), flush=True)
    return {
        "title": suite.title,
        "rounds": count,
        "machine": machine,
        "rows": [dataclasses.asdict(line) for line in lines],
        "missing": [contender.name for contender in suite.contenders if not contender.installed],
    }


def _in_process(function: Callable[..., None], *arguments: object) -> None:
    """Calls a function in a process of its own, whose memory and settings end with it."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
