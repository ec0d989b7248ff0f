"""A tiny TFDS set, prepared and read as a user's would be."""

import numpy as np
import tensorflow_datasets as tfds

from alexnet_tf.data import datasets


class TinyDigits(tfds.core.GeneratorBasedBuilder):
    """Twenty grey images of two classes, in one split."""

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


def test_a_set_with_one_split_keeps_its_last_tenth(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    builder = TinyDigits(data_dir=tmp_path)
    builder.download_and_prepare()
    monkeypatch.setattr(tfds, "builder", lambda name: TinyDigits(data_dir=tmp_path))
    dataset = datasets.open_dataset("tfds:tiny_digits")
    assert dataset.class_names == ("even", "odd")
    assert (dataset.train.count, dataset.validation.count) == (18, 2)

    def pixels(start, count, seed):
        examples = dataset.train.examples(start, seed).take(count)
        return [(int(e["image"][0, 0, 0]), int(e["label"])) for e in examples]

    two_epochs = pixels(0, 36, seed=3)
    assert sorted(two_epochs[:18]) == sorted(two_epochs[18:]) == sorted(pixels(0, 18, None))
    assert two_epochs[:18] != two_epochs[18:]
    assert pixels(23, 13, seed=3) == two_epochs[23:]
    assert all(label == value % 2 for value, label in two_epochs)
