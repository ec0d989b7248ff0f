"""A dataset that changes under a run, and workdirs that TensorFlow would take for patterns."""

import dataclasses
import os
import shutil

import helpers
import pytest

from alexnet_tf.data.datasets import open_dataset
from alexnet_tf.data.file_list import FileList, Part, keep_parts, list_files
from alexnet_tf.data.images import ResizeCrop
from alexnet_tf.data.pipeline import read_split
from alexnet_tf.errors import UserError
from alexnet_tf.evaluation.networks import evaluate_paths
from alexnet_tf.exporting.export import check_export
from alexnet_tf.runs import layout
from alexnet_tf.runs.opening import open_predictor
from alexnet_tf.runs.recipes import get_recipe
from alexnet_tf.runs.run import load_run
from alexnet_tf.training.loop import train_and_evaluate

NARROW = {"width": 1 / 16, "image_size": 67, "batch_size": 8, "statistics_examples": 16, "evaluate_every": 2}


@pytest.fixture
def unsplit(tmp_path):
    """A folder of two classes without a validation set."""
    helpers.dark_and_light(tmp_path / "set")
    return tmp_path / "set" / "train"


def _add(folder, count):
    for i in range(count):
        shutil.copy(folder / "dark" / "1.png", folder / "dark" / f"0_new_{i}.png")


def _names(split):
    return set(split.names)


def test_a_changed_dataset_is_refused_or_keeps_what_was_held_out(unsplit, tmp_path):
    recipe, workdir = get_recipe("demo", dataset=f"folder:{unsplit}", steps=2, **NARROW), tmp_path / "run"
    train_and_evaluate(recipe, workdir, helpers.UNWATCHED)
    before = open_dataset(recipe.dataset)
    _add(unsplit, 15)
    (unsplit / "light" / "20.png").unlink()
    (unsplit / "light" / "19.png").write_bytes(helpers.noise_jpeg(1))
    longer = dataclasses.replace(recipe, steps=4)
    with pytest.raises(UserError, match=r"15 added \(.*0_new_0.png, .*\); 1 removed \(.*20.png\); 1 of another size"):
        train_and_evaluate(longer, workdir, helpers.UNWATCHED)
    # Without the list, images that were held out would be trained on.
    assert _names(open_dataset(recipe.dataset).train) & _names(before.validation)
    accepting = dataclasses.replace(helpers.UNWATCHED, accept_changed_data=True)
    train_and_evaluate(longer, workdir, accepting)
    for _ in range(2):
        now = load_run(workdir).dataset
        gone = {str(unsplit / "light" / "20.png")}
        assert _names(now.validation) >= _names(before.validation) - gone
        assert _names(now.train) >= _names(before.train) - gone
        assert now.train.count + now.validation.count == 42 + 15 - 1
        train_and_evaluate(dataclasses.replace(recipe, steps=6), workdir, helpers.UNWATCHED)  # It is noticed once.


def test_images_of_a_regrouped_set_keep_their_labels(unsplit):
    before = open_dataset(f"folder:{unsplit}")
    _add(unsplit, 15)
    now = keep_parts(open_dataset(f"folder:{unsplit}"), list_files(before))
    for split in (now.train, now.validation):
        (examples,) = read_split(split, 2, split.count, ResizeCrop(40, 40))
        # Dark pixels are below 100, light ones above 140.
        assert [image.mean() > 120 for image in examples.images] == [label == 1 for label in examples.labels]
        assert [original.label for original in split.originals(0, split.count)] == list(split.labels)


def test_lists_of_files(unsplit, tmp_path):
    files = list_files(open_dataset(f"folder:{unsplit}"), sizes=True)
    files.save(tmp_path / "list")
    again = FileList.load(tmp_path / "list")
    assert again == files and not files.changes(again)
    assert files.train.sizes[0] == os.path.getsize(files.train.names[0])
    # The other held-out images of another seed are no change.
    assert not files.changes(list_files(open_dataset(f"folder:{unsplit}", seed=1), sizes=True))
    (tmp_path / "list").write_bytes(b"damaged")
    with pytest.raises(UserError, match="list' cannot be read"):
        FileList.load(tmp_path / "list")
    unnamed = list_files(open_dataset("builtin:shapes"))
    fewer = dataclasses.replace(unnamed, train=Part(1))
    assert unnamed.changes(fewer) == "train: 50000 examples before, 1 now"


@pytest.mark.parametrize("name", ["r?", "r*", "r[ab]", "r\\a"])
def test_workdirs_that_are_patterns_are_refused(name, tmp_path):
    (tmp_path / "ra" / layout.CHECKPOINTS).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / name)
    recipe = get_recipe("demo", **NARROW)
    for path in (tmp_path / name, tmp_path / name / "below", tmp_path / "link"):
        for use in (
            lambda: train_and_evaluate(recipe, path, helpers.UNWATCHED),  # noqa: B023
            lambda: load_run(path),  # noqa: B023
            lambda: open_predictor(path),  # noqa: B023
            lambda: evaluate_paths([path]),  # noqa: B023
            lambda: check_export(path, ["tflite"]),  # noqa: B023
        ):
            with pytest.raises(UserError, match=r"must not contain any of \* \? \[ \] .*; rename it"):
                use()
    assert not (tmp_path / name).exists()
