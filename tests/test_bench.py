"""The benchmark's statistics, and its refusal to time contenders that compute different things."""

import functools
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from tools.bench import limits  # noqa: E402
from tools.bench.report import Suite, machine, rows, table  # noqa: E402
from tools.bench.rounds import Contender, DifferentOutputsError, Measured, Probe, alternate, compare  # noqa: E402

EXPECTED = np.full((3, 4), 0.25, np.float32)


def _probe(outputs, seconds):
    return Probe(lambda: seconds, outputs)


def _contender(name, outputs=None, seconds=1.0, bound=None, **fields):
    return Contender(name, functools.partial(_probe, outputs, seconds), bound, **fields)


def _fails():
    raise SystemExit("no compiler")


def _suite(milliseconds):
    contenders = [
        _contender("ours", gflop=2.0, gigabytes=0.1),
        _contender("peer"),
        _contender("absent", package="no_such_package"),
    ]
    return Suite("A suite", contenders, "peer", milliseconds)


RESULTS = {
    limits.SGEMM.name: Measured([0.01, 0.01, 0.04], None),  # 100 GFLOP/s.
    limits.MEMORY.name: Measured([0.1, 0.1, 0.1], None),  # 10 GB/s.
    "ours": Measured([0.05, 0.04, 0.06, 0.05, 0.9], 1e-6),
    "peer": Measured([0.2, 0.1, 0.1], None),
}


def test_rows():
    ours, peer = rows(_suite(True), RESULTS)
    assert (ours.seconds, ours.quartiles, ours.difference) == (0.05, (0.05, 0.06), 1e-6)
    assert ours.relative_time == pytest.approx(0.5) and peer.relative_time == 1
    assert ours.limit == pytest.approx(2 * 0.01 + 0.1 * 0.1) and peer.limit is None
    facts = machine(RESULTS)
    assert (facts["sgemm_gflop_per_second"], facts["memory_gigabytes_per_second"]) == (100, 10)


@pytest.mark.parametrize(
    "milliseconds, expected",
    [
        (True, "| ours | 50.0 | 50.0 – 60.0 | 0.50 | 0.60 | 1.0e-06 |"),
        (False, "| ours | 20.0 | 16.7 – 20.0 | 2.00 | 0.60 | 1.0e-06 |"),
    ],
)
def test_table(milliseconds, expected):
    suite = _suite(milliseconds)
    text = table(suite, rows(suite, RESULTS))
    assert expected in text.splitlines()
    assert text.endswith("not measured: absent (pip install no_such_package)")


def test_a_missing_baseline_is_replaced():
    suite = _suite(True)
    only_ours = {name: measured for name, measured in RESULTS.items() if name != "peer"}
    assert rows(suite, only_ours)[0].relative_time == 1
    assert "time relative to ours" in table(suite, rows(suite, only_ours))


@pytest.mark.slow
def test_rounds_alternate():
    contenders = [_contender("same", EXPECTED[:2], 2.0, 1e-6), _contender("not compared", seconds=3.0)]
    results = alternate(contenders, 2, EXPECTED)
    assert results == {"same": Measured([2.0, 2.0], 0.0), "not compared": Measured([3.0, 3.0], None)}


@pytest.mark.parametrize("outputs", [EXPECTED * 1.01, EXPECTED * np.nan])
def test_different_outputs_are_an_error(outputs):
    with pytest.raises(DifferentOutputsError, match=r"'other' differ by .*, more than 0.001"):
        compare(_contender("other", bound=1e-3), outputs, EXPECTED)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_outputs_of_fewer_or_more_images_are_compared(count):
    outputs = np.full((count, 4), 0.25, np.float32)
    assert compare(_contender("other", bound=1e-3), outputs, EXPECTED) == 0


@pytest.mark.slow
def test_different_outputs_end_the_benchmark():
    with pytest.raises(DifferentOutputsError):
        alternate([_contender("other", EXPECTED * 2, bound=1e-3)], 1, EXPECTED)


@pytest.mark.slow
def test_a_contender_that_fails_is_named():
    with pytest.raises(RuntimeError, match="'broken' ended"):
        alternate([Contender("broken", _fails)], 1)
