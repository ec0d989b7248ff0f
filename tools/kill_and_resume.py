"""Kills a small run many times, resumes it each time, and compares its weights with those of an undisturbed run.

python tools/kill_and_resume.py --kills=50
python tools/kill_and_resume.py --kills=5 --workers=2
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.workers import environment_of, free_addresses  # noqa: E402

RUN = [
    "--recipe=demo", "--width=0.0625", "--image_size=67", "--dropout=0.5", "--batch_size=8", "--statistics_examples=16",
    "--learning_rate=1e-5", "--log_every=5", "--evaluate_every=50", "--checkpoint_minutes=0",
]  # fmt: skip
# A process is killed at a random moment of its start, or of its first steps.
START_SECONDS, TRAINING_SECONDS = 8, 2


def main():
    """Prints each kill and, at the end, the largest difference of weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    moments = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        RUN.append(f"--dataset=folder:{_figures(pathlib.Path(scratch) / 'figures')}")
        unbroken, killed = pathlib.Path(scratch) / "unbroken", pathlib.Path(scratch) / "killed"
        _end(_start(unbroken, options))
        done = 0
        while done < options.kills:
            if not _kill(_start(killed, options), killed, moments):
                sys.exit(f"the run ended after {done} kills; use more --steps")
            done += 1
            print(f"kill {done}: step {_steps(killed)} of {options.steps}", flush=True)
        _end(_start(killed, options))
        difference = _difference(unbroken, killed)
        print(f"{done} kills, {options.workers} worker(s): largest difference of weights {difference:g}")


def _figures(folder):
    """Writes a folder of small generated shapes of ten classes."""
    import tensorflow as tf

    from alexnet_tf.data import shapes

    for index in range(60):
        pixels, label = shapes.draw(0, "train", index)
        file = folder / str(label) / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tf.io.encode_png(tf.cast(tf.image.resize(pixels, (80, 80)), tf.uint8)).numpy())
    return folder


def _start(workdir, options):
    addresses = free_addresses(options.workers)
    processes = []
    for index in range(options.workers):
        environment = environment_of(addresses, index) if options.workers > 1 else None
        command = [
            sys.executable,
            "-m",
            "alexnet_tf",
            "train",
            *RUN,
            f"--workdir={workdir}",
            f"--steps={options.steps}",
        ]
        processes.append(
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        )
    return processes


def _kill(processes, workdir, moments):
    """Kills one process at a random moment and waits for the others; returns whether all were still running."""
    if moments.random() < 0.5:
        time.sleep(moments.uniform(0, START_SECONDS))
    else:
        before = _steps(workdir)
        while _steps(workdir) == before and all(process.poll() is None for process in processes):
            time.sleep(0.02)
        time.sleep(moments.uniform(0, TRAINING_SECONDS))
    running = all(process.poll() is None for process in processes)
    moments.choice(processes).kill()
    for process in processes:
        process.communicate()
    return running


def _end(processes):
    for process in processes:
        error = process.communicate()[1]
        if process.returncode:
            sys.exit(f"a worker failed: {error.decode()}")


def _steps(workdir):
    """The last step in a run's metrics, 0 if there is none."""
    try:
        return json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    except (OSError, ValueError, IndexError, KeyError):  # No metrics yet, or a line that is being written.
        return 0


def _difference(one, other):
    import numpy as np

    from alexnet_tf.runs.run import load_run

    pairs = zip(load_run(one).model.get_weights(), load_run(other).model.get_weights(), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


if __name__ == "__main__":
    main()
