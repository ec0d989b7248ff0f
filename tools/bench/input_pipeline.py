"""The suite `input`: reading, decoding and augmenting images without training, and training on what is read."""

import functools
import pathlib

from tools.bench.report import Suite
from tools.bench.rounds import Contender, Probe


def input_suites(directory: pathlib.Path) -> list[Suite]:
    """Input without training, and training on prepared images.

    Args:
        directory: filled by `write_images`.
    """
    folder, jpeg, raw = (directory / name for name in ("folder", "jpeg", "raw"))
    readers = [
        Contender("ours, photographs", functools.partial(_make, "ours", f"folder:{folder}")),
        Contender("ours, prepared JPEG", functools.partial(_make, "ours", f"records:{jpeg}")),
        Contender("ours, prepared raw", functools.partial(_make, "ours", f"records:{raw}", 4)),
        Contender("decoding alone", functools.partial(_make, "decode", folder)),
        Contender("image_dataset_from_directory and Keras layers", functools.partial(_make, "keras", folder)),
        Contender("PyTorch DataLoader, Pillow, 2 workers", functools.partial(_make, "torch", folder), package="torch"),
    ]
    trainings = [
        Contender("one constant batch", functools.partial(_make, "training", f"records:{raw}", constant=True)),
        Contender("prepared JPEG", functools.partial(_make, "training", f"records:{jpeg}")),
        Contender("prepared raw", functools.partial(_make, "training", f"records:{raw}")),
    ]
    return [
        Suite("Input, batches of 128", readers, readers[-1].name),
        Suite("Training on the input, batches of 32", trainings, trainings[0].name),
    ]


def _make(reader: str, *arguments, **options) -> Probe:
    from tools.bench import readers  # In the contender's own process: it changes TensorFlow's settings.

    return getattr(readers, reader)(*arguments, **options)


def write_images(photos: pathlib.Path | None, directory: pathlib.Path) -> None:
    """Calls `readers.write_images`."""
    from tools.bench import readers

    readers.write_images(photos, directory)
