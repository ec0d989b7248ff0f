"""The update rule against steps worked by hand, and Adam against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.training.optimizer import LARS, FusedAdam, PaperSGD


def test_three_steps_worked_by_hand():
    weight = keras.Variable([1.0], name="kernel")
    optimizer = PaperSGD(learning_rate=0.1, momentum=0.9, decay=0.5)
    optimizer.build([weight])
    # v = .9v - .5*.1*w - .1*g; w += v
    by_hand = [
        (1.0, 0.85),  # v = 0 - .05*1 - .1*1 = -.15
        (2.0, 0.4725),  # v = -.135 - .0425 - .2 = -.3775
        (-1.0, 0.209125),  # v = -.33975 - .023625 + .1 = -.263375
    ]
    for gradient, expected in by_hand:
        optimizer.apply([tf.constant([gradient])], [weight])
        np.testing.assert_allclose(weight.numpy(), [expected], rtol=1e-6)


def test_bias_without_decay_and_multipliers():
    kernel, bias, frozen = (keras.Variable([1.0], name=n) for n in ("kernel", "bias", "kernel"))
    optimizer = PaperSGD(0.1, 0.9, decay=0.5, decay_biases=False)
    optimizer.build([kernel, bias, frozen])
    optimizer.multipliers.assign([1.0, 2.0, 0.0])
    for _ in range(2):
        optimizer.apply([tf.constant([1.0])] * 3, [kernel, bias, frozen])
    np.testing.assert_allclose(kernel.numpy(), [1 - 0.15 - (0.135 + 0.0425 + 0.1)], rtol=1e-6)
    np.testing.assert_allclose(bias.numpy(), [1 - 0.2 - (0.18 + 0.2)], rtol=1e-6)
    assert frozen.numpy()[0] == 1.0


def test_momentum_is_checked():
    with pytest.raises(ValueError, match="momentum"):
        PaperSGD(momentum=0.0)


def test_fused_adam_is_keras_adam():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(7, 5)).astype(np.float32)
    ours, theirs = keras.Variable(start), keras.Variable(start)
    fused, stock = FusedAdam(0.01), keras.optimizers.Adam(0.01)
    for _ in range(5):
        gradient = tf.constant(rng.normal(size=(7, 5)), tf.float32)
        fused.apply([gradient], [ours])
        stock.apply([gradient], [theirs])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_config_round_trip():
    config = PaperSGD(0.02, 0.8, 0.001, decay_biases=False).get_config()
    again = PaperSGD.from_config(config)
    assert (again.momentum, again.decay, again.decay_biases) == (0.8, 0.001, False)


def test_lars_is_its_formula():
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(6, 5)), rng.normal(size=5)
    variables = [keras.Variable(a.astype(np.float32), name=n) for a, n in ((kernel, "kernel"), (bias, "bias"))]
    optimizer = LARS(0.5, 0.9, decay=0.01, decay_biases=False, trust_ratio=0.02)
    optimizer.build(variables)
    kernel_velocity, bias_velocity = np.zeros_like(kernel), np.zeros_like(bias)
    for _ in range(5):
        gradient, bias_gradient = rng.normal(size=(6, 5)), rng.normal(size=5)
        optimizer.apply([tf.constant(gradient, tf.float32), tf.constant(bias_gradient, tf.float32)], variables)
        norm = np.linalg.norm(kernel)
        rate = 0.5 * 0.02 * norm / (np.linalg.norm(gradient) + 0.01 * norm)
        kernel_velocity = 0.9 * kernel_velocity - rate * (gradient + 0.01 * kernel)
        bias_velocity = 0.9 * bias_velocity - 0.5 * bias_gradient
        kernel, bias = kernel + kernel_velocity, bias + bias_velocity
    np.testing.assert_allclose(variables[0].numpy(), kernel, rtol=1e-5)
    np.testing.assert_allclose(variables[1].numpy(), bias, rtol=1e-5)
    assert LARS.from_config(optimizer.get_config()).trust_ratio == 0.02


@pytest.mark.parametrize("kind", [PaperSGD, LARS, FusedAdam])
def test_a_rate_of_zero_leaves_everything(kind):
    """So a step whose gradients overflow can be skipped by its rate."""
    weight = keras.Variable([[1.0, -2.0]], name="kernel")
    optimizer = kind(0.1)
    optimizer.build([weight])
    optimizer.apply([tf.constant([[1.0, 2.0]])], [weight])
    before = [variable.numpy() for variable in (weight, *optimizer.variables[2:])]
    optimizer.learning_rate = 0.0
    optimizer.apply([tf.constant([[3.0, 4.0]])], [weight])
    for was, variable in zip(before, (weight, *optimizer.variables[2:]), strict=True):
        np.testing.assert_array_equal(variable.numpy(), was)
