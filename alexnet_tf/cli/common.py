"""What every command shares: how it runs, and how it reports errors.

A user's mistake, and whatever the operating system refuses, is one line and exit code 1. Any other exception is a bug
of this package: a traceback, and exit code 70. Nothing here imports TensorFlow, which takes seconds that some commands
do without.
"""

import io
import os
import pathlib
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from absl import app, flags, logging

import alexnet_tf
from alexnet_tf.cli import helptext
from alexnet_tf.errors import UserError

BUG_EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h.

# What TensorFlow makes of `tf.debugging.Assert(condition, [message, value])`.
_ASSERTION = re.compile(r"assertion failed: \[([^\]]*must .*? Received:)\] \[(.*?)\]")
# What it makes of a UserError of a Python function inside a graph: the traceback as text.
_RAISED = re.compile(r"^(?:alexnet_tf\.errors\.)?(?:UserError|SaveError): (.+)$", re.MULTILINE)
# Keras puts terminal colors into its messages.
_COLORS = re.compile(r"\x1b\[\d+m")
# What absl says of one missing flag, of which there may be several in a message.
_MISSING = re.compile(r"flag --(\w+)=None: Flag --\1 must have a value other than None\.")
_SUGGESTION = re.compile(r"Did you mean: (.+?) \?")


def run(main: Callable[[list[str]], int | None]) -> None:
    """Runs a command's `main(argv)`, where argv[0] is the command, under absl; exits with its exit code."""

    def guarded(argv: list[str]) -> int | None:
        logging.set_verbosity(logging.WARNING)
        try:
            return main(argv)
        except KeyboardInterrupt as interruption:
            return interrupted(interruption)
        except Exception as error:
            if _interruptions:
                return interrupted(_interruptions[-1])
            message = user_message(error)
            if message is None:
                return _report_bug()
            print(f"error: {printable(message)}", file=sys.stderr)
            return 1

    print_any_text()
    app.run(guarded, flags_parser=_parse)


def print_any_text() -> None:
    """Lets `print` write out, as `\\xe9`, characters that the encoding of a terminal or file lacks, as on Windows."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def user_message(error: Exception) -> str | None:
    """The line that tells a user what to change; None if the error is a bug of this package."""
    if isinstance(error, UserError | OSError):
        return one_line(error)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and isinstance(error, tensorflow.errors.ResourceExhaustedError):
        return f"out of memory: use a smaller batch_size or image_size ({one_line(error)[:200]})"
    # A check inside a graph, such as that of labels, is written like a UserError and raised by TensorFlow.
    if tensorflow and isinstance(error, tensorflow.errors.InvalidArgumentError):
        if raised := _RAISED.search(error.message):
            return raised[1]
        if _ASSERTION.search(error.message):
            return one_line(error)
    return None


def one_line(error: Exception) -> str:
    """An error's message on one line, without what TensorFlow puts around a failed assertion."""
    text = " ".join(_COLORS.sub("", getattr(error, "message", None) or str(error)).split())
    failed = _ASSERTION.search(text)
    return " ".join(failed.groups()) if failed else text


def _report_bug() -> int:
    traceback.print_exc()
    print(
        f"This is a bug in alexnet-tf {alexnet_tf.__version__}. Please report it with the command and the lines above; "
        "CONTRIBUTING.md of the project says where.",
        file=sys.stderr,
    )
    return BUG_EXIT_CODE


def _parse(argv: list[str]) -> list[str]:
    """Parses flags; exits with 2 and one line for an unknown flag, a missing one, or a value of the wrong type."""
    options = argv[1 : argv.index("--")] if "--" in argv else argv[1:]
    if {"-h", "-help", "--help"} & set(options):
        print(helptext.of_command(argv[0], sys.modules["__main__"]))
        sys.exit(0)
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        text = _SUGGESTION.sub(r"Did you mean --\1?", one_line(error))
        if missing := _MISSING.findall(text):
            text = f"{' and '.join(f'--{name}' for name in missing)} must be given"
        command = pathlib.Path(argv[0]).stem.removeprefix("alexnet-tf ")
        print(f"error: {text}; see alexnet-tf help {command}", file=sys.stderr)
        sys.exit(2)


def no_arguments(argv: list[str]) -> None:
    """Raises UserError if a command that takes flags only was given anything else."""
    if len(argv) > 1:
        raise UserError(f"arguments must be flags (--name=value), got {' '.join(argv[1:])}")


def check_out(out: str) -> None:
    """Raises UserError if a file of that name cannot be written; leaves nothing behind."""
    path = pathlib.Path(out)
    if path.is_dir():
        raise UserError(f"out must be a file, got the directory {out!r}")
    probe = path.with_name(f".{path.name}.probe")
    try:
        # Not os.access, which claims that root may write to read-only file systems.
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"out must be in a directory that can be written to, got {out!r}: {error.strerror}") from error


# Those that were raised: TensorFlow's C++ code, where one may arrive, can turn it into an exception of another class.
_interruptions: list[KeyboardInterrupt] = []


def sigterm_as_ctrl_c() -> None:
    """Makes SIGTERM raise KeyboardInterrupt, so that a command removes what it has half written.

    `run` reports this and Ctrl-C as interruptions even if TensorFlow makes another exception of them.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        _interruptions.append(KeyboardInterrupt(number))
        raise _interruptions[-1]

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # The last one is Windows' Ctrl-Break.
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), interrupt)


def interrupted(interruption: KeyboardInterrupt, advice: str = "") -> int:
    """Reports an interruption; returns the exit code, 130 after Ctrl-C and 143 after SIGTERM."""
    print(f"interrupted{advice}", file=sys.stderr)
    number: int = (interruption.args or (signal.SIGINT,))[0]
    return 128 + number


def tensorboard(workdir: str | os.PathLike) -> str:
    """The command that shows a run, with the full path where `tensorboard` is not on the PATH."""
    program = "tensorboard" if shutil.which("tensorboard") else f"{sys.executable} -m tensorboard.main"
    return f"{program} --logdir={workdir}"


def printable(text: str) -> str:
    """The text with control characters written out: names and labels from elsewhere must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 image", "2,000 images"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def print_parity(rows: list[Any]) -> None:
    """Prints a list of `Parity` as a table."""
    from alexnet_tf.exporting.accuracy import columns, sentence  # Here, because it imports TensorFlow.

    measured = [row.fields().get("accuracy") for row in rows]
    heads = f"{'top-1 error':>25}{'top-5 error':>25}" if measured[0] else ""
    print(f"{'format':<18}{'MB':>8}{'relative error':>17}{'same top-1':>13}{'ms':>7}{heads}")
    for row, accuracy in zip(rows, measured, strict=True):
        print(
            f"{row.format:<18}{row.megabytes:>8.1f}{row.relative_error:>17.1e}{row.top1_agreement:>13.1%}"
            f"{row.milliseconds:>7.1f}" + "".join(f"{text:>25}" for text in columns(accuracy) if accuracy)
        )
    if measured[0]:
        print(sentence(measured[0]))
