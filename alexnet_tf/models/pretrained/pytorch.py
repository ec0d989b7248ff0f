"""Reads PyTorch's `.pth` files, tensors only: no code in a file is ever executed."""

import os
from typing import Any

import numpy.typing as npt

from alexnet_tf.errors import UserError

# torchvision numbers its layers by their position in two `nn.Sequential`s.
_TORCHVISION = {
    "features.0": "conv1", "features.3": "conv2", "features.6": "conv3", "features.8": "conv4",
    "features.10": "conv5", "classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "fc8",
}  # fmt: skip


def read_pth(path: str | os.PathLike) -> dict[str, list[npt.NDArray[Any]]]:
    """Returns the arrays of each layer, in PyTorch's layout.

    Args:
        path: of a state dict with torchvision's keys, or with our layers' names: `conv1.weight`.

    Returns:
        From layer name to [kernel, bias], float32: kernels (out, in / groups, height, width) or (out, in).

    Raises:
        UserError: if PyTorch is not installed, or the file is not a state dict of tensors.
        OSError: if it cannot be read.
    """
    try:
        import torch
    except ImportError as error:
        raise UserError("weights from .pth files need PyTorch: pip install alexnet-tf[torch]") from error
    open(path, "rb").close()  # So that a missing file is not reported as a damaged one.
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # The unpickler raises anything, and its message recommends executing the file.
        raise UserError(f"weights must be a complete .pth file that holds only tensors, got {str(path)!r}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"weights must be a state dict of tensors, got {str(path)!r}")
    arrays = {}
    for key in state:
        layer, _, part = key.rpartition(".")
        if part == "weight":
            parts = [state[key], *([state[f"{layer}.bias"]] if f"{layer}.bias" in state else [])]
            arrays[_TORCHVISION.get(layer, layer)] = [tensor.float().numpy() for tensor in parts]
    return arrays
