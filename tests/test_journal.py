"""What a run writes about itself."""

import json
import math

import pytest

from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.metrics import Sums
from alexnet_tf.runs.metrics_log import read_metrics
from alexnet_tf.training.diagnosis import STUCK_STEPS, StuckLoss
from alexnet_tf.training.journal import Journal
from alexnet_tf.training.meter import Meter
from alexnet_tf.training.step import StepResult


def test_lines_and_events(tmp_path):
    journal = Journal(tmp_path, steps_per_epoch=4)
    journal.write("train", 2, {"loss": 1.5})
    journal.log("step 2")
    header, row = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert header == {"kind": "header", "format_version": 1}
    assert row.items() >= {"kind": "train", "step": 2, "epoch": 0.5, "loss": 1.5}.items()
    assert (tmp_path / "train.log").read_text().endswith(" step 2\n")
    assert list((tmp_path / "logs" / "train").iterdir())


def test_metrics_are_read_as_the_run_went(tmp_path):
    journal = Journal(tmp_path, steps_per_epoch=4)
    for step, loss in ((1, 3.0), (2, 2.5), (3, 9.0)):
        journal.write("train", step, {"loss": loss})
    journal.write("validation", 3, {"loss": 2.0})
    # Killed in the middle of a line, and continued from step 2.
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"kind": "train", "st')
    journal.write("train", 3, {"loss": 8.0})
    journal.write("train", 3, {"loss": 1.5})
    assert [(row["step"], row["loss"]) for row in read_metrics(tmp_path, "train")] == [(1, 3.0), (2, 2.5), (3, 1.5)]
    assert [row["loss"] for row in read_metrics(tmp_path, "validation")] == [2.0]
    with pytest.raises(UserError, match="must hold a run with metrics.jsonl"):
        read_metrics(tmp_path / "logs", "train")
    text = (tmp_path / "metrics.jsonl").read_text()
    for header in ('"format_version": 2', '"version": 1'):
        (tmp_path / "metrics.jsonl").write_text(text.replace('"format_version": 1', header))
        with pytest.raises(UserError, match="metrics.jsonl' must have format_version 1"):
            read_metrics(tmp_path, "train")


def test_workers_but_the_chief_are_silent(tmp_path, capsys):
    journal = Journal(tmp_path, 4, writes=False)
    journal.write("train", 2, {"loss": 1.5})
    journal.log("step 2")
    assert not list(tmp_path.iterdir()) and not capsys.readouterr().err


def test_the_meter_takes_means():
    meter = Meter(batch_size=4)
    meter.add(1, StepResult(Sums(1.0, 2.0, 8.0, 4.0), False, input_seconds=0.25))
    meter.add(1, StepResult(Sums(3.0, 4.0, 4.0, 4.0), False, input_seconds=0.75))
    values = meter.take()
    assert (values["loss"], values["top1_error"], values["top5_error"]) == (1.5, 0.5, 0.25)
    assert values["input_seconds"] == 0.5
    assert values["step_seconds"] == pytest.approx(values["input_seconds"] + values["compute_seconds"])


def test_a_loss_that_stays_is_noticed_once():
    stuck = StuckLoss(10)
    said = [stuck.check(step, math.log(10) * 1.001, 0.01) for step in range(0, 3 * STUCK_STEPS, 10)]
    warnings = [text for text in said if text]
    assert len(warnings) == 1 and "has stayed at ln(classes) = 2.303 since step 0" in warnings[0]
    assert said.index(warnings[0]) == STUCK_STEPS // 10
    moving = StuckLoss(10)
    assert not any(moving.check(step, 2.3 - 0.2 * (step % 100 == 0), 0.01) for step in range(0, 2000, 10))
