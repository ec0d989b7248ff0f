"""Moving averages of a run's training errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def smoothed(rows: Sequence[Mapping[str, Any]], span: float) -> list[dict[str, Any]]:
    """Replaces each row's top-1 error by the mean over the epochs before it.

    Args:
        rows: as `alexnet_tf.runs.metrics_log.read_metrics` returns them.
        span: length of the average, in epochs; rows with less before them are left out.
    """
    epochs, errors = (np.array([row[key] for row in rows]) for key in ("epoch", "top1_error"))
    # Epochs are sums of fractions: the tolerance keeps a row from falling off either end.
    first = np.searchsorted(epochs, epochs - span + 1e-9)
    return [
        {**row, "top1_error": float(errors[first[last] : last + 1].mean())}
        for last, row in enumerate(rows)
        if row["epoch"] >= span - 1e-9
    ]
