"""Starts the programs of export/apps/serving, and the stand-in for TensorFlow Serving as their server."""

import pathlib
import re
import runpy
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
APP = TESTS.parent / "export" / "apps" / "serving"
STAND_IN = TESTS / "serving_standin.py"


def ran(app, *arguments):
    """Runs a program that should succeed; returns its output."""
    done = subprocess.run([sys.executable, APP / app, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_here(app, *arguments):
    """Runs a program in this process, which has loaded TensorFlow already; `app` is a name or an absolute path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [app, *map(str, arguments)])
        runpy.run_path(str(APP / app), run_name="__main__")


def failure(app, *arguments):
    """Runs a program that should fail; returns its error message, one line."""
    with pytest.raises(SystemExit) as ended:
        run_here(app, *arguments)
    # Python prints a text that a program ends with on stderr, and its exit code is 1.
    assert ended.value.code.startswith("error: ") and "\n" not in ended.value.code
    return ended.value.code


class Server:
    """A stand-in in another process.

    Attributes:
        grpc: "host:port".
        rest: URL to which the name of a model is appended.
        log: lines that it printed when it started.
        process: Popen.
    """

    def __init__(self, models, errors):
        command = [sys.executable, STAND_IN, models, "--grpc_port=0", "--rest_port=0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.log = []
        for line in self.process.stdout:
            self.log.append(line)
            if ready := re.fullmatch(r"gRPC on (\S+), REST on (\S+)\n", line):
                self.grpc, self.rest = ready.groups()
                return
        raise RuntimeError(f"the stand-in ended with {self.process.wait()}")

    def place_for(self, app):
        """The arguments by which a client finds the server."""
        return [self.grpc, "--model=narrow", "--batch=5"] if app == "label_grpc.py" else [f"{self.rest}/narrow"]

    def peak(self):
        """Peak memory so far, in kB."""
        return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1])
