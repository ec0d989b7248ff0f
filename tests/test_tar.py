"""ImageNet's tars, read in place."""

import helpers
import numpy as np
import pytest

from alexnet_tf.data import datasets, images, pipeline, tar
from alexnet_tf.data.augmentation import Augmentation


@pytest.fixture
def imagenet(tmp_path):
    helpers.imagenet_tars(tmp_path / "tars", helpers.noise_jpeg)
    return tmp_path / "tars"


def _bytes(split):
    return {original.name: (original.label, original.read()) for original in split.originals(0, split.count)}


def test_train_tar_of_tars_and_validation_with_its_ground_truth(imagenet):
    dataset = datasets.open_dataset(f"tar:{imagenet}")
    assert dataset.class_names == tuple(sorted(helpers.IMAGENET_CLASSES))
    assert _bytes(dataset.train) == {
        f"{name}_{i}.JPEG": (dataset.class_names.index(name), helpers.noise_jpeg(10 * number + i))
        for number, name in enumerate(helpers.IMAGENET_CLASSES)
        for i in range(4)
    }
    # The published ground truth of the first three: n01751748, n09193705, n02105855.
    assert _bytes(dataset.validation) == {
        f"ILSVRC2012_val_{i:08d}.JPEG": (label, helpers.noise_jpeg(100 + i)) for i, label in ((1, 0), (2, 2), (3, 1))
    }


@pytest.mark.slow
def test_in_the_pipeline(imagenet):
    dataset = datasets.open_dataset(f"tar:{imagenet}")
    resize_crop = images.ResizeCrop(76, 67)
    batches = pipeline.training_batches(dataset.train, 3, 4, resize_crop, Augmentation(), 0, range(3))
    labels = np.concatenate([batch["label"] for batch in batches])
    assert sorted(labels) == [0] * 4 + [1] * 4 + [2] * 4
    assert all((batch["weight"].numpy() == 1).all() for batch in batches)


def test_a_ground_truth_of_ones_own(imagenet):
    (imagenet / tar.GROUND_TRUTH).write_text("\n".join(helpers.IMAGENET_CLASSES))
    dataset = datasets.open_dataset(f"tar:{imagenet}")
    assert sorted((name, label) for name, (label, _) in _bytes(dataset.validation).items()) == [
        (f"ILSVRC2012_val_{i:08d}.JPEG", i - 1) for i in (1, 2, 3)
    ]


def test_one_tar_of_folders_holds_out_a_tenth(tmp_path):
    file = tmp_path / "photos.tar"
    file.write_bytes(helpers.tar_of({f"photos/{c}/{i}.jpg": helpers.noise_jpeg(i) for c in "ab" for i in range(10)}))
    dataset = datasets.open_dataset(f"tar:{file}")
    assert dataset.class_names == ("a", "b")
    assert (dataset.train.count, dataset.validation.count) == (18, 2)


@pytest.mark.parametrize(
    "data, message",
    [(None, "tar file, or a folder"), (b"text" * 200, "complete tar file.*"), (b"", "empty file"),
     (helpers.tar_of({"a/0.jpg": b"0", "a/1.jpg": b"1"}), "2 classes"),
     (helpers.tar_of({"a/0.jpg": b"0" * 2000, "b/1.jpg": b"1"})[:1700], "complete tar file")],
)  # fmt: skip
def test_bad_tars_are_named(data, message, tmp_path):
    file = tmp_path / "photos.tar"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        datasets.open_dataset(f"tar:{file}")


def test_a_tar_cut_short_later_is_skipped_not_fatal(imagenet):
    dataset = datasets.open_dataset(f"tar:{imagenet}")
    file = imagenet / tar.TRAIN
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    resize_crop = images.ResizeCrop(76, 67)
    weights = [batch["weight"] for batch in pipeline.evaluation_batches(dataset.train, 3, 4, resize_crop)]
    assert 0 < np.sum(weights) == 12 - len(dataset.train.skipped) < 12
