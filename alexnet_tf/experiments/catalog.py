"""The experiments, as data."""

import dataclasses
from typing import Any

from alexnet_tf.errors import UserError
from alexnet_tf.experiments.comparisons import average, compare, compare_views
from alexnet_tf.experiments.experiment import Experiment
from alexnet_tf.experiments.race import race
from alexnet_tf.runs.recipes import RECIPES

RELU_VS_TANH = Experiment(
    "relu_vs_tanh",
    "ReLU or tanh (Figure 1)",
    "section 3.1: a four-layer network on CIFAR-10 reaches 25 % training error six times faster with ReLUs than with "
    "tanh; each at its own best learning rate, no regularization.",
    # The published network and initialization without its regularization. Small batches, since epochs are counted.
    dataclasses.replace(RECIPES["four_layers"], batch_size=32, weight_decay=0.0, layer_decays=(), schedule="constant"),
    {"ReLU": {"activation": "relu"}, "tanh": {"activation": "tanh"}},
    race,
    {
        "learning_rates": (0.0003, 0.001, 0.003, 0.01, 0.03), "search": ((500, 2), (4218, 1)), "target": 0.25,
        "max_epochs": 60,
    },
    quick={"width": 0.5},
    quick_settings={"learning_rates": (0.001, 0.003), "search": ((300, 1),), "target": 0.55, "max_epochs": 6},
)  # fmt: skip

# What --quick changes in the paper's recipe: a quarter of the width, the smallest input size, and an initialization and
# optimizer with which such a small network learns within a thousand steps.
QUICK: dict[str, Any] = {
    "dataset": "tfds:cifar10", "image_size": 67, "width": 0.25, "initialization": "he", "dropout": 0.0,
    "batch_size": 64, "steps": 1000, "evaluate_every": 200, "optimizer": "adam", "learning_rate": 1e-3,
    "schedule": "linear", "warmup_steps": 20, "color_noise": False, "statistics_examples": 2000,
}  # fmt: skip

POOLING = Experiment(
    "pooling",
    "Overlapping or non-overlapping pooling (section 3.4)",
    "section 3.4: 3x3 windows with a stride of 2 have 0.4 and 0.3 points less top-1 and top-5 error than 2x2 windows, "
    "and overfit slightly less.",
    RECIPES["paper"],
    {"3x3, overlapping": {}, "2x2, not overlapping": {"pool_size": 2}},
    compare,
    quick=QUICK,
)

LRN = Experiment(
    "lrn",
    "With and without local response normalization (section 3.3)",
    "section 3.3: normalization reduces the top-1 and top-5 errors by 1.4 and 1.2 points; a four-layer network on "
    "CIFAR-10 has 13 % test error without it and 11 % with it.",
    RECIPES["paper"],
    {"with LRN": {}, "without LRN": {"normalization": False}},
    compare,
    quick=QUICK,
)

# All three use the variant of the code that ran, since only that one has a single-column counterpart.
TOWERS = Experiment(
    "towers",
    "Two towers, one tower, one column (section 3.2)",
    "section 3.2: two towers have 1.7 and 1.2 points less top-1 and top-5 error than a network with half as many "
    "kernels in each convolution, trained on one GPU.",
    RECIPES["original"],
    {"two towers": {}, "one tower": {"towers": False}, "one column": {"preset": "one_column"}},
    compare,
    quick={
        **QUICK, "layer_learning_rates": (), "color_noise_divisor": 1.0, "color_noise_end_epoch": None,
        "crop_group_size": 1,
    },
)  # fmt: skip

DROPOUT = Experiment(
    "dropout",
    "With and without dropout (section 4.2)",
    "section 4.2: without dropout the network overfits substantially; with it, it takes about twice as many steps.",
    RECIPES["paper"],
    {"with dropout": {"dropout": 0.5}, "without dropout": {"dropout": 0.0}},
    compare,
    quick=QUICK,
)

COLOR_NOISE = Experiment(
    "color_noise",
    "With and without color noise (section 4.1)",
    "section 4.1: color noise reduces the top-1 error by over 1 point.",
    RECIPES["paper"],
    {"with color noise": {"color_noise": True}, "without color noise": {"color_noise": False}},
    compare,
    quick=QUICK,
)

VIEWS = Experiment(
    "views",
    "One view or ten (section 4.1)",
    "section 6: with one view the top-1 and top-5 errors are 39.0 % and 18.3 %, with ten 37.5 % and 17.0 % "
    "(ILSVRC-2010).",
    RECIPES["paper"],
    {"network": {}},
    compare_views,
    quick=QUICK,
)

ENSEMBLE = Experiment(
    "ensemble",
    "One network or the mean of several (section 6)",
    "section 6, Table 2: one network has 40.7 % top-1 and 18.2 % top-5 error, the mean of five 38.1 % and 16.4 %.",
    RECIPES["paper"],
    {"network": {}},
    average,
    {"networks": 5},
    quick=QUICK,
    quick_settings={"networks": 3},
)

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (RELU_VS_TANH, POOLING, LRN, TOWERS, DROPOUT, COLOR_NOISE, VIEWS, ENSEMBLE)
}


def get_experiment(name: str) -> Experiment:
    """Returns an experiment by its name.

    Raises:
        UserError: if there is no experiment of that name.
    """
    if name not in EXPERIMENTS:
        raise UserError(f"NAME must be one of {', '.join(EXPERIMENTS)}, got {name or 'none'}")
    return EXPERIMENTS[name]
