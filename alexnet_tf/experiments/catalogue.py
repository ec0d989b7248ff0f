"""The experiments, as a table."""

import dataclasses

from alexnet_tf.experiments.experiment import Experiment
from alexnet_tf.experiments.race import race
from alexnet_tf.training.recipes import RECIPES

RELU_VS_TANH = Experiment(
    "relu_vs_tanh",
    "ReLU or tanh (Figure 1)",
    "section 3.1: a four-layer network on CIFAR-10 reaches 25 % training error six times faster with ReLUs than with "
    "tanh; each at its own best rate, no regularisation.",
    # The published network and start without its regularisation. Small batches, because epochs are what is counted.
    dataclasses.replace(RECIPES["four_layers"], batch_size=32, weight_decay=0.0, layer_decays=(), schedule="constant"),
    {"ReLU": {"activation": "relu"}, "tanh": {"activation": "tanh"}},
    race,
    {"rates": (0.0003, 0.001, 0.003, 0.01), "search_steps": 700, "target": 0.25, "most_epochs": 60},
    {"width": 0.5},
    {"rates": (0.001, 0.003), "search_steps": 300, "target": 0.55, "most_epochs": 6},
)

EXPERIMENTS = {experiment.name: experiment for experiment in (RELU_VS_TANH,)}


def get_experiment(name):
    """Returns the `Experiment` of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"NAME must be an experiment: {', '.join(EXPERIMENTS)}. Received: {name!r}")
    return EXPERIMENTS[name]
