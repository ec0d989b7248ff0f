"""Draws error against file size, from runs that `alexnet-tf compress` has finished with several targets.

python tools/compression_curve.py docs/images/compression.png "CIFAR-10=smaller3,smaller4,smaller6" "shapes=small"
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from alexnet_tf.compression.report import SMALLEST, Compression  # noqa: E402
from alexnet_tf.plotting import file_sizes, style  # noqa: E402


def main(out: str, *networks: str) -> None:
    """Draws a curve for each network, given as `name=workdir,workdir`."""
    curves = {}
    for network in networks:
        name, _, workdirs = network.partition("=")
        compressions = [Compression.load(pathlib.Path(workdir)) for workdir in workdirs.split(",")]
        curves[name] = compressions[0].before.top1_error, [_point(compression) for compression in compressions]
    style.save(file_sizes.draw(curves), out)


def _point(compression: Compression) -> file_sizes.Point:
    (smallest,) = (file for file in compression.after.files if file["format"] == SMALLEST)
    return file_sizes.Point(smallest["megabytes"], compression.start.top1_error, compression.after.top1_error)


if __name__ == "__main__":
    main(*sys.argv[1:])
