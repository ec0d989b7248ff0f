"""What every command does: run, and turn a user's mistake into one line."""

import pathlib
import re
import shutil
import signal
import sys

from absl import app, flags, logging

from alexnet_tf.cli.startup import tf
from alexnet_tf.inference.predictor import Classifier
from alexnet_tf.runs.checkpoints import SaveError

USER_ERRORS = (
    ValueError, FloatingPointError, OSError, SaveError, tf.errors.InvalidArgumentError,
    tf.errors.ResourceExhaustedError,  # A full disk, or a batch that is too large for the memory.
)  # fmt: skip

NO_IMAGE = "not a JPEG, PNG, GIF or BMP image"

# What TensorFlow makes of `tf.debugging.Assert(condition, [message, value])`.
_ASSERTION = re.compile(r"assertion failed: \[(.*?)\] \[(.*?)\]")
# The colors of a terminal, which Keras puts into messages.
_COLORS = re.compile(r"\x1b\[\d+m")
# What absl says of a required flag.
_MISSING = re.compile(r"flag --(\w+)=None: Flag --\1 must have a value other than None\.")


def run(main):
    """Runs a command's `main(argv)` under absl; exits with 1 and one line on stderr for a mistake of the user's."""

    def guarded(argv):
        logging.set_verbosity(logging.WARNING)
        try:
            return main(argv)
        except USER_ERRORS as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt as interruption:
            return interrupted(interruption)

    app.run(guarded, flags_parser=_parse)


def _parse(argv):
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        text = _MISSING.sub(r"--\1 must be given", one_line(error))
        print(f"error: {text}; see alexnet-tf {pathlib.Path(argv[0]).stem} --help", file=sys.stderr)
        sys.exit(2)
    except SystemExit:  # After --help, which absl ends as if it were a mistake.
        sys.exit(0)


def tensorboard(workdir):
    """The command that shows a run, as it can be typed here: in an environment that is not active it has no name."""
    program = "tensorboard" if shutil.which("tensorboard") else f"{sys.executable} -m tensorboard.main"
    return f"{program} --logdir={workdir}"


def sigterm_as_ctrl_c():
    """Lets SIGTERM raise KeyboardInterrupt, so that what a command has begun to write is put in order."""

    def interrupt(number, frame):
        raise KeyboardInterrupt(number)

    signal.signal(signal.SIGTERM, interrupt)


def interrupted(interruption, advice=""):
    """Says that a command was interrupted; returns its exit code, 130 after Ctrl-C and 143 after SIGTERM."""
    print(f"interrupted{advice}", file=sys.stderr)
    return 128 + (interruption.args or (signal.SIGINT,))[0]


def check_out(out):
    """Raises ValueError if a file of that name cannot be written."""
    path = pathlib.Path(out)
    probe = path.with_name(f".{path.name}.probe")
    try:
        # Not os.access, which promises root more than there is.
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"out must be in a directory that can be written to. Received: out={out!r}") from error
    if path.is_dir():
        raise ValueError(f"out must be a file. Received: out={out!r}, a directory")


def no_arguments(argv):
    """Raises ValueError if a command that takes flags only was given anything else."""
    if len(argv) > 1:
        raise ValueError(f"arguments must be flags (--name=value). Received: {' '.join(argv[1:])}")


def classifier(run):
    """The `Classifier` of a `Run`."""
    return Classifier(run.model, run.mean, run.resize_crop.resize, run.resize_crop.crop, run.class_names)


def counted(count, noun):
    """A number and what it counts: "1 image", "2,000 images"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def print_parity(rows):
    """Prints a list of `Parity` as a table."""
    print(f"{'format':<18}{'MB':>8}{'relative error':>17}{'same top-1':>13}{'ms':>7}")
    for row in rows:
        print(
            f"{row.format:<18}{row.megabytes:>8.1f}{row.relative_error:>17.1e}{row.top1_agreement:>13.1%}"
            f"{row.milliseconds:>7.1f}"
        )


def one_line(error):
    """An error's message on one line, without what TensorFlow puts round a failed assertion."""
    text = " ".join(_COLORS.sub("", getattr(error, "message", None) or str(error)).split())
    failed = _ASSERTION.search(text)
    return " ".join(failed.groups()) if failed else text
