"""Imports every module and runs commands where packages are missing; `test_platforms` runs this in a process."""

import importlib
import io
import pkgutil
import sys
from contextlib import redirect_stderr, redirect_stdout

# Of the standard library, what Windows does not have; the others, what a user may have left out.
UNIX_ONLY = ("fcntl", "grp", "posix", "pwd", "resource", "termios")
OPTIONAL = ("array_record", "tensorflow_datasets")


def block(*names):
    """Lets every later import of these fail."""
    for name in names:
        for loaded in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
            del sys.modules[loaded]
        sys.modules[name] = None


def import_all():
    """Imports every module of the package; removes the flags of each command, which others define too."""
    from absl import flags

    import alexnet_tf

    names = [module.name for module in pkgutil.walk_packages(alexnet_tf.__path__, "alexnet_tf.")]
    for name in names:
        if name == "alexnet_tf.__main__":  # Which runs the command line.
            continue
        before = set(flags.FLAGS)
        importlib.import_module(name)
        flags.FLAGS.remove_flag_values(set(flags.FLAGS) - before)
        forget_commands()


def forget_commands():
    """Forgets the modules of the command line, so that the next command defines its flags anew."""
    import alexnet_tf.cli

    for name in [name for name in sys.modules if name.startswith("alexnet_tf.cli.")]:
        del sys.modules[name]
        delattr(alexnet_tf.cli, name.rpartition(".")[2])


def command(*arguments):
    """Runs a command; returns its exit code, stdout and stderr."""
    from absl import flags

    before, code = set(flags.FLAGS), None
    sys.argv = ["alexnet-tf", *map(str, arguments)]
    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        try:
            importlib.import_module("alexnet_tf.cli.main").main()
        except SystemExit as exit:
            code = exit.code
    flags.FLAGS.remove_flag_values(set(flags.FLAGS) - before)
    forget_commands()
    return code or 0, stdout.getvalue(), stderr.getvalue()


def succeed(*arguments):
    """Runs a command that must succeed; returns its stdout."""
    code, stdout, stderr = command(*arguments)
    assert code == 0, (arguments, stdout, stderr)
    return stdout


def refused(*arguments):
    """Runs a command that must fail with one line, which is returned."""
    code, stdout, stderr = command(*arguments)
    assert code == 1 and stderr.count("\n") == 1, (arguments, code, stdout, stderr)
    return stderr


def main(folder, photo):
    """Prepares, trains, exports and labels without any of the packages; then labels without TensorBoard."""
    import tensorflow  # noqa: F401 - before anything is blocked: what it needs itself is its own matter.

    block(*OPTIONAL, *UNIX_ONLY)
    import_all()
    for name in UNIX_ONLY:  # Needed again by locks on this platform.
        if name != "resource":
            del sys.modules[name]
    succeed("prepare", f"--dataset=folder:{folder}", "--out=set", "--size=80", "--format=raw")
    small = ("--width=0.0625", "--image_size=67", "--steps=1", "--batch_size=8", "--layer_summaries_every=0")
    assert "top-1 error" in succeed("train", "--recipe=demo", "--dataset=records:set", "--workdir=run", *small)
    succeed("export", "--model=run", "--out=out", "--formats=saved_model,tflite")
    for model in ("run", "out", "out/model.tflite"):
        assert "dark" in succeed("predict", f"--model={model}", photo), model
    refusals = {
        "tfds:cifar10": ("train", "--recipe=demo", "--dataset=tfds:cifar10", "--workdir=other"),
        "format=jpeg": ("prepare", f"--dataset=folder:{folder}", "--out=jpeg"),
    }
    for words, arguments in refusals.items():
        assert words in (line := refused(*arguments)) and "pip install" in line, line
    block("tensorboard")
    assert "dark" in succeed("predict", "--model=run", photo)
    assert "training needs tensorboard: pip install" in refused("train", "--recipe=demo", "--workdir=other")


if __name__ == "__main__":
    main(*sys.argv[1:])
