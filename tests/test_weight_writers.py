"""Weight files that this package writes: it and other programs read them as what was written."""

import numpy as np
import onnx
import pytest
import safetensors.torch
from helpers import assert_close, enliven
from weight_files import SIDE, TorchvisionNetwork, inputs, logits_model, narrow_network, nchw, run_onnx, torch_logits

from alexnet_tf.errors import UserError
from alexnet_tf.models.presets import PRESETS
from alexnet_tf.models.pretrained.writers import SUFFIXES, save_weights


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_written_is_read_again(preset, tmp_path):
    network, side = narrow_network(preset), 32 if preset == "four_layers" else SIDE
    model = enliven(logits_model(network, side=side))
    images = inputs(side)
    expected = model(images).numpy()
    for suffix in SUFFIXES:
        path = tmp_path / f"net{suffix}"
        save_weights(model, network, path)
        np.testing.assert_array_equal(logits_model(network, path, side)(images), expected, err_msg=suffix)
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)
    channels = images if preset == "torchvision" else images[..., ::-1]
    assert_close(preset, run_onnx(tmp_path / "net.onnx", nchw(channels)), expected, 1e-4)
    assert expected.std() > 0.1
    with pytest.raises(UserError, match=r"must end in one of .*got .*net\.h5"):
        save_weights(model, network, tmp_path / "net.h5")


def test_torchvision_takes_our_safetensors(tmp_path):
    network = narrow_network("torchvision")
    model = enliven(logits_model(network))
    save_weights(model, network, tmp_path / "net.safetensors")
    theirs = TorchvisionNetwork().eval()
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "net.safetensors"))
    assert_close("safetensors", torch_logits(theirs, inputs()), model(inputs()).numpy(), 1e-4)
