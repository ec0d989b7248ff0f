"""The validations of a run in training."""

import sys
from collections.abc import Callable

import tensorflow as tf

from alexnet_tf.data.file_split import NAMED
from alexnet_tf.data.sources import Dataset
from alexnet_tf.evaluation.confusion import classification_report
from alexnet_tf.evaluation.evaluator import Evaluator
from alexnet_tf.evaluation.metrics import Metrics
from alexnet_tf.runs import layout
from alexnet_tf.runs.progress import Progress
from alexnet_tf.runs.run import Run
from alexnet_tf.training.hardest_examples import HardestExamples
from alexnet_tf.training.interruption import Stop, StopRequested
from alexnet_tf.training.journal import Journal


class Validation:
    """Evaluates a run in training on its validation set, and records the results.

    Args:
        run: the run.
        dataset: the run's dataset.
        strategy: the devices that share the work.
        stop: the request to stop.
        journal: records metrics and messages.
    """

    def __init__(
        self, run: Run, dataset: Dataset, strategy: tf.distribute.Strategy, stop: Stop, journal: Journal
    ) -> None:
        self._run, self._predictor, self._dataset = run, run.predictor(), dataset
        self._stop, self._journal = stop, journal
        self._evaluator = Evaluator(self._predictor, strategy=strategy, stop_requested=stop.requested)

    def evaluate(self, where: str, hardest: HardestExamples | None = None) -> Metrics:
        """Evaluates the network on the validation set.

        Args:
            where: the step, for the message of a stop.
            hardest: takes in the predictions.

        Raises:
            StopRequested: if any worker was asked to stop.
        """
        show = Progress("validating", self._dataset.validation.count).update

        def progress(examples: int, stop_requested: bool) -> None:
            show(examples)
            if stop_requested:
                raise StopRequested(f"while validating {where}")

        return self._evaluator(self._dataset.validation, progress, hardest)

    def record(self, step: int, metrics: Metrics) -> None:
        """Records the result of a validation, and reports the files that could not be read so far."""
        values = {"loss": metrics.loss, "top1_error": metrics.top1_error, "top5_error": metrics.top5_error}
        self._journal.write("validation", step, values)
        self._journal.log(
            f"step {step}: validation loss {metrics.loss:.3f}, top-1 error {metrics.top1_error:.2%}, "
            f"top-5 error {metrics.top5_error:.2%}, {metrics.examples:,} images"
        )
        ignored = {name for name, _ in self._dataset.ignored}
        skipped = sorted(self._dataset.train.skipped | self._dataset.validation.skipped | ignored)
        if skipped:
            files = "1 file" if len(skipped) == 1 else f"{len(skipped)} files"
            print(f"{files} skipped, not a readable image: {', '.join(skipped[:NAMED])}", file=sys.stderr)

    def write_report(self) -> None:
        """Writes the confusion matrix and the list of mistakes.

        Raises:
            StopRequested: if this process was asked to stop.
        """
        report = classification_report(
            self._predictor, self._dataset.validation, "validation", progress=self._stoppable("mistakes")
        )
        report.save(self._run.workdir)
        self._journal.log(f"validation images by class, complete in {layout.CONFUSION}:\n{report.text()}")

    def _stoppable(self, work: str) -> Callable[[int], None]:
        show = Progress(work, self._dataset.validation.count).update

        def progress(examples: int) -> None:
            show(examples)
            if self._stop.requested.numpy():
                raise StopRequested("while listing mistakes")

        return progress
