"""Readers of published weights: what they accept, what they refuse, and that nothing in a file is executed."""

import os
import resource

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from helpers import caffemodel, channels_first, enliven, figures, state_dict

from alexnet_tf.models.builder import AlexNet
from alexnet_tf.models.presets import PRESETS, get_preset
from alexnet_tf.models.pretrained import load
from alexnet_tf.models.pretrained.caffe import Net, read_caffemodel
from alexnet_tf.models.pretrained.fit import WeightsWarning, fit, reinitialized
from alexnet_tf.models.pretrained.imagenet import decode_predictions, preprocess_input
from alexnet_tf.models.pretrained.keras_h5 import read_weights_h5


def _narrow(preset="caffe", classes=10, **arguments):
    return AlexNet(get_preset(preset).widened(1 / 16), input_shape=(67, 67, 3), classes=classes, **arguments)


@pytest.fixture
def files(tmp_path):
    """One narrow network's weights in each form."""
    model = enliven(_narrow())
    arrays = channels_first(model)
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(channels_first(model, bgr=True), v1=True))
    torch.save(state_dict(arrays), tmp_path / "net.pth")
    model.save_weights(tmp_path / "net.weights.h5")
    run = tmp_path / "run"
    run.mkdir()
    model.save_weights(run / load.RUN_WEIGHTS)
    return model, [tmp_path / name for name in ("net.caffemodel", "net.pth", "net.weights.h5", "run")]


def test_every_format_gives_the_same_network(files):
    model, paths = files
    images = preprocess_input(figures(2, 67))
    for path in paths:
        np.testing.assert_allclose(_narrow(weights=path)(images), model(images), rtol=1e-5, err_msg=str(path))


def test_other_classes_and_no_top_load_the_layers_that_fit(files):
    model, paths = files
    for path in paths:
        with pytest.warns(WeightsWarning, match=r"Reinitialized \(shape mismatch\): fc8$"):
            other = _narrow(classes=3, weights=path)
        np.testing.assert_array_equal(other.get_layer("fc7").kernel, model.get_layer("fc7").kernel)
        headless = _narrow(include_top=False, weights=path)
        np.testing.assert_array_equal(headless.get_layer("conv5").kernel, model.get_layer("conv5").kernel)


def test_another_networks_weights_are_refused(files):
    for path in files[1]:
        with pytest.raises(ValueError, match="weights must fit every convolution: conv2 needs"):
            AlexNet(get_preset("one_tower").widened(1 / 16), input_shape=(67, 67, 3), classes=10, weights=path)


def test_truncated_and_empty_files(files, tmp_path):
    for path in files[1][:3]:
        suffix = path.name[3:]
        data = path.read_bytes()
        for name, part in (("half", data[: len(data) // 2]), ("empty", b""), ("garbage", os.urandom(1000))):
            broken = tmp_path / f"{name}{suffix}"
            broken.write_bytes(part)
            with pytest.raises(ValueError, match="weights"):
                _narrow(weights=broken)
        with pytest.raises(ValueError, match="must be a readable file.*missing"):
            _narrow(weights=tmp_path / f"missing{suffix}")


def test_declared_sizes_are_checked(tmp_path):
    for shape in ((2**40, 2**20), (2**31, 2**33), (-1, -4), (0,)):
        net = Net()
        blob = net.layer.add(name="conv1").blobs.add(data=b"\0" * 16)
        blob.shape.dim.extend(shape)
        (tmp_path / "net.caffemodel").write_bytes(net.SerializeToString())
        with pytest.raises(ValueError, match="must hold as many numbers"):
            read_caffemodel(tmp_path / "net.caffemodel")
    # A length that runs over the end of the file.
    (tmp_path / "net.caffemodel").write_bytes(b"\x12\xff\xff\xff\xff\x07" + b"\0" * 10)
    with pytest.raises(ValueError, match="must be a complete"):
        read_caffemodel(tmp_path / "net.caffemodel")
    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        layer = file.create_group("layers/conv/vars")
        layer.attrs["name"] = "conv1"
        layer.create_dataset("0", (2**20, 2**20), "f4", chunks=(16, 16))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="declares"):
        _narrow(weights=tmp_path / "net.weights.h5")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


class _Trap:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def test_code_in_a_pickle_is_not_run(tmp_path):
    torch.save({"conv1.weight": _Trap(tmp_path / "sprung")}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="only tensors"):
        _narrow(weights=tmp_path / "net.pth")
    assert not (tmp_path / "sprung").exists()


def test_unpublished_presets_are_refused():
    for preset in set(PRESETS) - set(load.PUBLISHED):
        with pytest.raises(ValueError, match=f"needs one of the presets caffe, caffenet, torchvision, got '{preset}'"):
            load.fetch(preset)


def test_preprocess_and_decode():
    pixels = np.full((1, 2, 2, 3), 255, np.uint8)
    np.testing.assert_allclose(preprocess_input(pixels)[0, 0, 0], [132.321, 138.331, 150.993], rtol=1e-6)
    with pytest.raises(ValueError, match="mean must be given"):
        preprocess_input(pixels, "paper")
    (best,) = decode_predictions(np.eye(1000)[[1]], top=2)
    assert best == [("n01443537", "goldfish", 1.0), ("n01440764", "tench", 0.0)]
    for images in (pixels[..., :1], pixels[0, 0]):
        with pytest.raises(ValueError, match="images must have shape"):
            preprocess_input(images)
    with pytest.raises(ValueError, match="predictions must have shape"):
        decode_predictions(np.zeros((1, 10)))
    for top in (-1, 0, 1001):
        with pytest.raises(ValueError, match=f"top must be from 1 to 1000, got {top}"):
            decode_predictions(np.zeros((1, 1000)), top)


def test_preprocessing_works_on_tensors_and_inside_a_map():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    expected = preprocess_input(pixels)
    assert isinstance(expected, np.ndarray)
    np.testing.assert_array_equal(preprocess_input(tf.constant(pixels)), expected)
    mapped = tf.data.Dataset.from_tensor_slices(pixels).map(lambda image: preprocess_input(image, "caffe"))
    np.testing.assert_array_equal(list(mapped), expected)
    symbolic = keras.Input((None, None, 3), dtype="uint8")
    model = keras.Model(symbolic, preprocess_input(symbolic))
    np.testing.assert_array_equal(model(pixels), expected)


def test_the_reason_of_each_reinitialized_layer(files):
    _, paths = files
    arrays = {name: values for name, values in read_weights_h5(paths[2]).layers.items() if name not in ("fc6", "fc7")}
    with pytest.warns(WeightsWarning):
        reasons = fit(_narrow(classes=3), arrays, "file", channels_first=False)
    assert reasons == {"fc6": "not in the file", "fc7": "not in the file", "fc8": "shape mismatch"}
    assert reinitialized(reasons) == "Reinitialized (not in the file): fc6, fc7. Reinitialized (shape mismatch): fc8"
