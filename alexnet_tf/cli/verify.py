"""Verifies an export on this machine: the hashes of its files, and each format's prediction for its test image.

alexnet-tf verify exported
"""

import sys

from alexnet_tf.cli import common
from alexnet_tf.errors import UserError
from alexnet_tf.exporting.verification import verify


def main(argv: list[str]) -> int:
    """Prints the result for each format; the exit code is 1 if one is beyond its bound."""
    if len(argv) != 2:
        raise UserError(f"DIR must be the directory of one export, got {' '.join(argv[1:]) or 'none'}")
    results = verify(argv[1])
    print(f"{'format':<18}{'relative error':>15}{'bound':>9}{'same top-1':>13}")
    for result in results:
        same = "yes" if result.same_top1 else "no"
        print(f"{result.format:<18}{result.relative_error:>15.1e}{result.bound:>9.0e}{same:>13}")
    if all(result.passed for result in results):
        return 0
    print("error: the predictions of a format differ on this machine", file=sys.stderr)
    return 1


if __name__ == "__main__":
    common.run(main)
