"""The programs of export/apps/serving as tests start them, and the stand-in as a server of theirs."""

import pathlib
import re
import runpy
import subprocess
import sys

import pytest

APP = pathlib.Path(__file__).resolve().parent.parent / "export" / "apps" / "serving"


def ran(app, *arguments):
    """What a program printed that should go well."""
    done = subprocess.run([sys.executable, APP / app, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_here(app, *arguments):
    """Runs a program in this process, which has loaded TensorFlow already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [app, *map(str, arguments)])
        runpy.run_path(str(APP / app), run_name="__main__")


def failure(app, *arguments):
    """The line that a program ends with."""
    with pytest.raises(SystemExit) as ended:
        run_here(app, *arguments)
    # Python prints a text that a program ends with on stderr, and its exit code is 1.
    assert ended.value.code.startswith("error: ") and "\n" not in ended.value.code
    return ended.value.code


class Server:
    """A stand-in in a process of its own.

    Attributes:
        grpc: "host:port".
        rest: URL that a model's name belongs to.
        log: what it said at its start.
        process: Popen.
    """

    def __init__(self, models, errors):
        command = [sys.executable, APP / "standin.py", models, "--grpc_port=0", "--rest_port=0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.log = []
        for line in self.process.stdout:
            self.log.append(line)
            if ready := re.fullmatch(r"gRPC on (\S+), REST on (\S+)\n", line):
                self.grpc, self.rest = ready.groups()
                return
        raise RuntimeError(f"the stand-in ended with {self.process.wait()}")

    def place_for(self, app):
        """A client's first arguments."""
        return [self.grpc, "--model=narrow", "--batch=5"] if app == "label_grpc.py" else [f"{self.rest}/narrow"]

    def peak(self):
        """Its largest memory so far, in kB."""
        return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1])
