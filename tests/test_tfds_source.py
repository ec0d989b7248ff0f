"""A tiny TFDS set, prepared and read as a user's would be."""

import helpers
import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers import IMAGENET_CLASSES

from alexnet_tf.data import datasets, images, pipeline, prepare, prepare_options, sampling


class TinyDigits(tfds.core.GeneratorBasedBuilder):
    """Twenty gray images of two classes, in one split."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        image = tfds.features.Image(shape=(9, 8, 1))
        label = tfds.features.ClassLabel(names=["even", "odd"])
        features = tfds.features.FeaturesDict({"image": image, "label": label})
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(20):
            yield i, {"image": np.full((9, 8, 1), i, np.uint8), "label": i % 2}


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    builder = TinyDigits(data_dir=tmp_path)
    builder.download_and_prepare()
    monkeypatch.setattr(tfds, "builder", lambda name: TinyDigits(data_dir=tmp_path))
    return datasets.open_dataset("tfds:tiny_digits")


def test_prepare_reads_a_set_without_names(dataset, tmp_path):
    options = prepare_options.PrepareOptions(size=8, format="raw", shard_size=7)
    fields = prepare.prepare(dataset, tmp_path / "set", options)
    assert [fields["splits"][part]["count"] for part in ("train", "validation")] == [18, 2]
    prepared = datasets.open_dataset(f"records:{tmp_path / 'set'}")
    assert prepared.class_names == ("even", "odd") and prepared.train.names[3] == "train[:90%] 3"
    (batch,) = pipeline.evaluation_batches(prepared.train, 2, 18, images.ResizeCrop(8, 8))
    values, labels = batch["image"].numpy()[:, 0, 0, 0], batch["label"].numpy()
    assert len(set(values)) == 18 and (labels == values % 2).all()
    # The same again has nothing to do; other options are refused.
    assert prepare.prepare(dataset, tmp_path / "set", options) == fields


def test_a_set_with_one_split_keeps_its_last_tenth(dataset):
    assert dataset.class_names == ("even", "odd")
    assert (dataset.train.count, dataset.validation.count) == (18, 2)

    def pixels(start, stop, seed):
        order = sampling.Sampler(3, range(start // 3, stop // 3), seed)
        batches = list(dataset.train.read(order, sampling.Crop(images.ResizeCrop(8, 8))))
        values, labels = (np.concatenate([batch[key] for batch in batches]) for key in ("image", "label"))
        return list(zip(values[:, 0, 0, 0].tolist(), labels.tolist(), strict=True))

    two_epochs = pixels(0, 36, seed=3)
    assert sorted(two_epochs[:18]) == sorted(two_epochs[18:]) == sorted(pixels(0, 18, None))
    assert two_epochs[:18] != two_epochs[18:]
    assert pixels(24, 36, seed=3) == two_epochs[24:]
    assert all(label == value % 2 for value, label in two_epochs)


def _labels(split):
    batches = pipeline.evaluation_batches(split, 1000, 2, images.ResizeCrop(76, 67))
    return [label for batch in batches for label in batch["label"].numpy()[batch["weight"].numpy() > 0]]


def test_imagenet_from_small_tars_and_mocked(tmp_path, monkeypatch):
    helpers.imagenet_tars(tmp_path / "downloads" / "manual", helpers.noise_jpeg)
    builder = tfds.builder("imagenet2012", data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    dataset = datasets.open_dataset("tfds:imagenet2012")  # Which prepares it.
    assert (dataset.train.count, dataset.validation.count, len(dataset.class_names)) == (12, 3, 1000)
    assert sorted(dataset.class_names[label] for label in _labels(dataset.validation)) == sorted(IMAGENET_CLASSES)
    originals = [(original.name, dataset.class_names[original.label]) for original in dataset.train.originals(2, 9)]
    assert len(set(originals)) == 7 and all(name.split("_")[0] == label for name, label in originals)
    assert {original.read() for original in dataset.train.originals(0, 12)} == {
        helpers.noise_jpeg(10 * number + i) for number in range(3) for i in range(4)
    }
    with tfds.testing.mock_data(num_examples=3):
        assert len(_labels(datasets.open_dataset("tfds:imagenet2012").validation)) == 3
