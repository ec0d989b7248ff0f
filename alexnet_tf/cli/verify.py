"""Checks an export on this machine: its files' hashes, and each format's answer to its own test image.

alexnet-tf verify exported
"""

import sys

from alexnet_tf.cli import common
from alexnet_tf.exporting.export import verify


def main(argv):
    """Prints what each format answers; the exit code is 1 if one is beyond its bound."""
    if len(argv) != 2:
        raise ValueError(f"DIR must be one export's directory. Received: {' '.join(argv[1:]) or 'none'}")
    answers, good = verify(argv[1]), True
    print(f"{'format':<18}{'relative error':>15}{'bound':>9}{'first label':>13}")
    for name, error, bound, first in answers:
        print(f"{name:<18}{error:>15.1e}{bound:>9.0e}{'as expected' if first else 'another':>13}")
        good = good and error <= bound
    if not good:
        print("error: a format answers differently here", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    common.run(main)
