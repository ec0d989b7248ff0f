"""Kills and failures at every write, rename, removal and fsync; `tools/inject_faults.py` does all of them."""

import pytest
import scenarios


def test_checkpoints_and_best_weights(tmp_path):
    scenario = scenarios.checkpoints(tmp_path)
    attempts = scenario.attempts()
    assert len(attempts) > 60
    for attempt in attempts:
        scenario.attempt(*attempt)


@pytest.mark.parametrize("name", ["texts", "weights"])
def test_files(name, tmp_path):
    scenario = getattr(scenarios, name)(tmp_path)
    attempts = scenario.attempts()
    assert len(attempts) > 6
    for attempt in attempts:
        scenario.attempt(*attempt)


def test_exports(tmp_path, monkeypatch):
    scenario = scenarios.exports(tmp_path, monkeypatch)
    for attempt in scenario.attempts(every=3):
        scenario.attempt(*attempt)


def test_preparations(tmp_path):
    scenario = scenarios.preparations(tmp_path)
    for attempt in scenario.attempts(every=37):
        scenario.attempt(*attempt)


def test_runs(tmp_path):
    scenario = scenarios.runs(tmp_path)
    for attempt in scenario.attempts(every=80):
        scenario.attempt(*attempt)
