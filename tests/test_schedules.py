"""Schedules against numbers worked by hand."""

import pytest

from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.recipes import ORIGINAL, PAPER
from alexnet_tf.training.schedules import Plateau, schedule_factor, variable_rates


def test_original_milestones_biases_and_freeze():
    paths = ["conv1/kernel", "conv1/bias", "fc8/kernel", "fc8/bias"]

    def rates(epoch):
        factor = schedule_factor(ORIGINAL, epoch * 10, 10, 910, 0)
        return variable_rates(ORIGINAL, paths, factor, epoch)

    assert rates(0) == pytest.approx([0.01, 0.02, 0.01, 0.02])
    assert rates(24) == pytest.approx([0.01, 0.02, 0.01, 0.02])
    assert rates(25) == pytest.approx([0.001, 0.02, 0.001, 0.02])
    assert rates(67) == pytest.approx([1e-5, 0.02, 1e-4, 0.02])
    assert rates(72) == pytest.approx([0, 0, 1e-4, 0.02])
    assert rates(79) == pytest.approx([0, 0, 1e-5, 0.02])
    assert not ORIGINAL.augmentation(67).color_noise and ORIGINAL.augmentation(66).color_noise


def test_plateau_divides_by_ten_at_most_three_times():
    plateau = Plateau()
    for error in (0.5, 0.4, 0.4, 0.4):
        plateau.update(error, patience=2, max_drops=3)
    assert plateau.drops == 1
    for _ in range(20):
        plateau.update(0.4, patience=2, max_drops=3)
    assert plateau.drops == 3
    assert schedule_factor(PAPER, 5, 10, 100, plateau.drops) == pytest.approx(1e-3)


def test_linear_with_warmup():
    recipe = Recipe("test", schedule="linear", decay_fraction=0.5, warmup_steps=4)
    factors = [schedule_factor(recipe, step, 10, 10, 0) for step in range(10)]
    assert factors == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_cosine_and_rates_that_grow_with_the_batch():
    recipe = Recipe("test", schedule="cosine", learning_rate=0.1, lr_reference_batch_size=256, batch_size=1024)
    assert [schedule_factor(recipe, step, 4, 8, 0) for step in (0, 2, 4, 6)] == pytest.approx(
        [1, 0.5 + 0.125**0.5, 0.5, 0.5 - 0.125**0.5]
    )
    assert variable_rates(recipe, ["fc8/kernel"], 0.5, 0) == pytest.approx([0.2])
