"""Draws error against file size, from the workdirs of compressions with several targets; each network has a title.

python tools/draw_compression.py docs/images/compression.png "CIFAR-10=cifar-3,cifar-4" "shapes=shapes-4,shapes-6"
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.compression.report import SMALLEST, Compression  # noqa: E402
from alexnet_tf.plotting import file_sizes, style  # noqa: E402


def main(out: str, *networks: str) -> None:
    """Draws one panel per network."""
    panels = {}
    for network in networks:
        title, _, workdirs = network.partition("=")
        panels[title] = [_row(Compression.load(pathlib.Path(workdir))) for workdir in workdirs.split(",")]
    style.save(file_sizes.draw(panels), out)


def _row(report: Compression) -> dict[str, float]:
    assert report.after, f"{report.source} is not compressed yet"
    (size,) = (file["megabytes"] for file in report.after.files if file["format"] == SMALLEST)
    errors = {name: getattr(report, name).top1_error for name in ("before", "start", "after")}
    return {"megabytes": size, **errors}


if __name__ == "__main__":
    main(*sys.argv[1:])
