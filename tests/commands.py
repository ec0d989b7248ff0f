"""`alexnet-tf` as a user runs it, in processes of their own, but without the seconds in which each loads TensorFlow.

They are forked from one process that has imported what most commands import, and has done nothing else: TensorFlow
starts its threads later, when it is first used.
"""

import multiprocessing
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(
    ["alexnet_tf.cli.startup", "alexnet_tf.training.loop", "alexnet_tf.exporting.export", "tensorflow_datasets"]
)


def run(*arguments, timeout=300, **options):
    """What became of a command: a `subprocess.CompletedProcess`; arguments and options as for `Command`."""
    command = Command(*arguments, **options)
    stdout, stderr = command.communicate(timeout)
    return subprocess.CompletedProcess(arguments, command.returncode, stdout, stderr)


def python(code, *arguments, **options):
    """As `run`, of Python code instead of `alexnet-tf`."""
    return run(*arguments, code=code, **options)


class Command:
    """A command that has been started, to be used like a `subprocess.Popen`.

    Args:
        *arguments: as after `alexnet-tf`.
        environment: variables that are added to this process's.
        file_size: bytes that no file may outgrow, as on a full disk; no limit if not given.
        cwd: where it runs; here if not given.
        code: Python code that runs instead.
    """

    def __init__(self, *arguments, environment=None, file_size=None, cwd=None, code=None):
        self._folder = tempfile.TemporaryDirectory()
        self._process = _FORKED.Process(
            target=_main,
            args=(list(map(str, arguments)), self._folder.name, cwd or os.getcwd(), environment or {}, file_size, code),
        )
        self._process.start()

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def communicate(self, timeout=None):
        """Waits for the end; returns stdout and stderr. A process that outlives the timeout is killed."""
        self._process.join(timeout)
        if self.returncode is None:
            self._process.kill()
            self._process.join()
        return [(pathlib.Path(self._folder.name) / name).read_text() for name in ("stdout", "stderr")]


def _main(arguments, folder, cwd, environment, file_size, code):
    os.chdir(cwd)
    os.environ.update(environment)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    if file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if code is not None:
        sys.argv = ["-c", *arguments]
        return exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
    from alexnet_tf.cli.main import main

    sys.argv = ["alexnet-tf", *arguments]
    sys.exit(main())
