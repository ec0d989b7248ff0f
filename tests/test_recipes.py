"""Recipes: their files, their checks, and how they are listed."""

import dataclasses

import pytest
from commands import run

from alexnet_tf.errors import UserError
from alexnet_tf.runs.recipe import Recipe
from alexnet_tf.runs.recipes import ORIGINAL, PAPER, RECIPES, get_recipe


def test_the_command_lists_recipes_and_prints_files(tmp_path):
    table = run("recipes").stdout.splitlines()
    assert table[0].split() == ["name", *RECIPES]
    assert ["batch_size", *(str(recipe.batch_size) for recipe in RECIPES.values())] in [row.split() for row in table]
    (tmp_path / "my.json").write_text(run("recipes", "original").stdout)
    assert Recipe.load(tmp_path / "my.json") == ORIGINAL
    done = run("recipes", "resnet")
    assert done.returncode == 1 and done.stderr.startswith("error: recipe must be one of demo, paper,")


def test_recipes_are_read_as_they_were_written(tmp_path):
    file = tmp_path / "recipe.json"
    for recipe in RECIPES.values():
        recipe.save(file)
        assert Recipe.load(file) == recipe == get_recipe(str(file))
    assert get_recipe(str(file), epochs=3).epochs == 3


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('"format_version": 1', '"format_version": 2', "must have format_version 1"),
        ('"seed": 0', '"sed": 0', "is not a valid recipe: Recipe has unknown fields: sed"),
        ('  "seed": 0,\n', "", "is not a valid recipe: Recipe has missing fields: seed"),
        ('"seed": 0', '"seed": "0"', "is not a valid recipe: seed must be a whole number, got '0'"),
        ('"prefix": "conv1/"', '"name": "conv1/"', "is not a valid recipe: LayerLearningRate has unknown fields: name"),
        ('"epoch": 72', '"epoch": null', "is not a valid recipe: epoch must be a whole number, got None"),
        ("{", "", "is not valid JSON"),
    ],
)
def test_a_recipe_file_that_cannot_be_read(tmp_path, old, new, message):
    file = tmp_path / "recipe.json"
    ORIGINAL.save(file)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        get_recipe(str(file))


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("preset", "vgg", "vgg"),
        ("batch_size", 0, "batch_size must be at least 1, got 0"),
        ("learning_rate", -1.0, "learning_rate must be above 0, got -1.0"),
        ("learning_rate", float("nan"), "learning_rate must be finite, got nan"),
        ("momentum", 1, "momentum must be above 0 and below 1, got 1"),
        ("seed", -1, "seed must be at least 0, got -1"),
        ("optimizer", "lamb", "optimizer must be one of paper_sgd, lars, adam, got 'lamb'"),
        ("activation", "elu", "activation must be one of relu, tanh, got 'elu'"),
        ("epochs", "ten", "epochs must be a whole number, got 'ten'"),
        ("epochs", True, "epochs must be a whole number, got True"),
        ("epochs", None, "epochs must be a whole number, got None"),
        ("flip", 1, "flip must be true or false, got 1"),
        ("milestones", [3], "milestones must be a tuple of int, got "),
        ("image_size", 32, "image_size must be at least 67 for preset 'paper', got 32"),
    ],
)
def test_bad_fields_are_named(field, value, message):
    with pytest.raises(UserError, match=message):
        get_recipe("paper", **{field: value})


def test_an_unknown_recipe_lists_the_known():
    with pytest.raises(
        UserError, match="demo, paper, original, fast, lars, finetune, four_layers, cifar10, or a .json file, got"
    ):
        get_recipe("resnet")


def test_initialization_and_dropout_are_the_recipes():
    network = dataclasses.replace(PAPER, initialization="he", dropout=0.0).network
    by_name = {layer.name: layer for layer in network.layers if hasattr(layer, "name")}
    assert by_name["conv1"].kernel_init == 0.01 and by_name["conv3"].kernel_init == "he"
    assert by_name["conv2"].bias_init == 0


def test_the_codes_start_is_the_papers_but_for_three_layers():
    network = dataclasses.replace(PAPER, initialization="code").network
    starts = {layer.name: layer.kernel_init for layer in network.layers if hasattr(layer, "kernel_init")}
    assert starts == {
        "conv1": 0.01, "conv2": 0.01, "conv3": 0.03, "conv4": 0.03, "conv5": 0.03, "fc6": 0.01, "fc7": 0.01, "fc8": 0.01
    }  # fmt: skip
    with pytest.raises(UserError, match="needs the layers conv1 to fc8, got preset 'four_layers'"):
        get_recipe("four_layers", initialization="code")
