"""Reads `.pth` files of PyTorch, weights only: nothing in a file is ever executed."""

import pathlib

# torchvision numbers its layers by their place in two `nn.Sequential`s.
_TORCHVISION = {
    "features.0": "conv1", "features.3": "conv2", "features.6": "conv3", "features.8": "conv4",
    "features.10": "conv5", "classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "fc8",
}  # fmt: skip


def read_pth(path):
    """The arrays of each layer, as PyTorch stores them.

    Args:
        path: of a state dict whose keys are torchvision's, or our layers' names: `conv1.weight`.

    Returns:
        A dict from layer name to [kernel, bias], float32: kernels (out, in / groups, height, width) or (out, in).

    Raises:
        ValueError: if PyTorch is not installed, or the file is not a state dict of tensors.
        OSError: if it cannot be read.
    """
    try:
        import torch
    except ImportError as error:
        raise ValueError("weights from .pth files need PyTorch: pip install alexnet-tf[torch]") from error
    pathlib.Path(path).open("rb").close()  # A missing file is not a broken one.
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # The unpickler raises whatever it meets, and its text recommends running the file.
        raise ValueError(
            f"weights are no .pth file that holds nothing but tensors, or cut short. Received: {str(path)!r}"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"weights must be a state dict of tensors. Received: {str(path)!r}")
    arrays = {}
    for key in state:
        layer, _, part = key.rpartition(".")
        if part == "weight":
            parts = [state[key], *([state[f"{layer}.bias"]] if f"{layer}.bias" in state else [])]
            arrays[_TORCHVISION.get(layer, layer)] = [tensor.float().numpy() for tensor in parts]
    return arrays
