"""Fifty training steps from the same weights on the same batches: ours against PyTorch."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import torch
from helpers import channels_first, enliven, figures
from torch import nn

from alexnet_tf.models.builder import AlexNet
from alexnet_tf.runs.recipe import LayerLearningRate
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.training.optimizer import build_optimizer
from alexnet_tf.training.schedules import schedule_factor, variable_rates

STEPS, STEPS_PER_EPOCH, BATCH, IMAGES = 50, 5, 4, 8
RATE = 1e-3
DECAY = 0.5  # Large enough to show.
WIDTHS = (12, 32, 48, 48, 32)


class _Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, inputs):
        return self.function(inputs)


def _spatial(maps):
    squares = nn.functional.avg_pool2d(maps**2, 5, 1, 2, count_include_pad=True)
    return maps * (1 + 0.001 * squares) ** -0.75


def _per_tower(maps):
    norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)
    return torch.cat([norm(tower) for tower in maps.chunk(2, 1)], 1)


def _network(original):
    norm = _Lambda(_per_tower) if original else nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    pool = nn.MaxPool2d(3, 2, ceil_mode=original)
    first = [norm, pool, nn.ReLU()] if original else [nn.ReLU(), norm, pool]
    second = [nn.ReLU(), norm, *([_Lambda(_spatial)] if original else []), pool]
    last = [pool, nn.ReLU()] if original else [nn.ReLU(), pool]
    one, two, three, four, five = WIDTHS
    half = _Lambda(lambda values: values * 0.5)
    layers = {
        "conv1": nn.Conv2d(3, one, 11, 4), "first": nn.Sequential(*first),
        "conv2": nn.Conv2d(one, two, 5, 1, 2, groups=2), "second": nn.Sequential(*second),
        "conv3": nn.Conv2d(two, three, 3, 1, 1), "third": nn.ReLU(),
        "conv4": nn.Conv2d(three, four, 3, 1, 1, groups=2), "fourth": nn.ReLU(),
        "conv5": nn.Conv2d(four, five, 3, 1, 1, groups=2), "last": nn.Sequential(*last, nn.Flatten()),
        "fc6": nn.LazyLinear(512), "six": nn.Sequential(nn.ReLU(), half),
        "fc7": nn.Linear(512, 512), "seven": nn.Sequential(nn.ReLU(), half),
        "fc8": nn.Linear(512, 10),
    }  # fmt: skip
    network = nn.Sequential()
    for name, module in layers.items():
        network.add_module(name, module)
    return network


def _paper_rate(name, step):
    return RATE


def _original_rate(name, step):
    """Biases twice as fast and never lowered; weights divided by ten at epoch 4; conv1 slow at 6, frozen at 8."""
    epoch = step // STEPS_PER_EPOCH
    if name.startswith("conv1.") and epoch >= 8:
        return 0.0
    if name == "conv1.weight" and epoch >= 6:
        return RATE / 100
    if name.endswith("bias"):
        return 2 * RATE
    return RATE / 10 if epoch >= 4 else RATE


@pytest.mark.slow
@pytest.mark.parametrize("preset, rate", [("paper", _paper_rate), ("original", _original_rate)])
def test_losses(preset, rate):
    original = preset == "original"
    recipe = get_recipe(preset, learning_rate=RATE, weight_decay=DECAY, dropout=0.0)
    if original:
        changes = (LayerLearningRate("conv1/kernel", 6, RATE / 100), LayerLearningRate("conv1/", 8, 0.0))
        recipe = dataclasses.replace(recipe, milestones=(4,), layer_learning_rates=changes)
    network = get_recipe(preset).network.widened(1 / 8).changed(Dropout={"rate": 0.0})
    side = 67
    model = enliven(AlexNet(network, input_shape=(side, side, 3), classes=10, classifier_activation=None))
    theirs = _network(original)
    theirs(torch.zeros(1, 3, side, side))
    conv1 = model.get_layer("conv1")
    conv1.kernel.assign(conv1.kernel * 16)
    for name, (kernel, bias) in channels_first(model).items():
        module = theirs.get_submodule(name)
        module.weight.data, module.bias.data = torch.from_numpy(kernel.copy()), torch.from_numpy(bias.copy())

    optimizer = build_optimizer(recipe)
    optimizer.build(model.trainable_variables)
    paths = [variable.path for variable in model.trainable_variables]

    @tf.function(autograph=False)
    def update(batch, labels):
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables)
        return loss

    velocities = {name: torch.zeros_like(weight) for name, weight in theirs.named_parameters()}
    # Pixels this large would make the first layer so quick that rounding grows into another path.
    images = (figures(IMAGES, side).astype(np.float32) - 127) / 16
    rng = np.random.default_rng(0)
    actual, expected = [], []
    for step in range(STEPS):
        chosen = rng.choice(IMAGES, BATCH, replace=False)
        batch, labels = images[chosen], chosen % 10

        factor = schedule_factor(recipe, step, STEPS_PER_EPOCH, STEPS, drops=0)
        rates = variable_rates(recipe, paths, factor, step // STEPS_PER_EPOCH)
        optimizer.learning_rate = recipe.learning_rate
        optimizer.multipliers.assign(np.array(rates, np.float32) / recipe.learning_rate)
        actual.append(float(update(batch, labels)))

        inputs = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
        theirs.zero_grad()
        loss = nn.functional.cross_entropy(theirs(inputs), torch.from_numpy(labels))
        loss.backward()
        with torch.no_grad():
            for name, weight in theirs.named_parameters():
                if not (epsilon := rate(name, step)):
                    continue
                decay = 0.0 if original and name.endswith("bias") else DECAY
                velocity = velocities[name]
                velocity.copy_(0.9 * velocity - decay * epsilon * weight - epsilon * weight.grad)
                weight += velocity
        expected.append(float(loss))
    error = np.max(np.abs(np.divide(actual, expected) - 1))
    print(f"{preset}, {STEPS} losses: largest relative difference {error:.1e}, at most 1e-03")
    assert error <= 1e-3
    assert np.mean(expected[-10:]) < 0.8 * np.mean(expected[:10])
