"""What every reader of a weight file returns, and the checks and the naming that readers share."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from alexnet_tf.errors import UserError
from alexnet_tf.models.pretrained.run_details import RunDetails

Array = npt.NDArray[Any]

# torchvision numbers its layers by their position in two `nn.Sequential`s.
TORCHVISION_LAYERS = {
    "features.0": "conv1", "features.3": "conv2", "features.6": "conv3", "features.8": "conv4",
    "features.10": "conv5", "classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "fc8",
}  # fmt: skip

# The ends of PyTorch's keys in the order of `layer.weights`; the last two only for batch normalization.
KEY_ENDS = ("weight", "bias", "running_mean", "running_var")


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """The contents of a weight file.

    Attributes:
        layers: from layer name to the arrays of its weights, in the order of `layer.weights`.
        channels_first: whether the arrays have the layout of Caffe and PyTorch: kernels (out, in / groups, height,
            width) or (out, in), with the inputs of the first dense layer flattened channels first.
        bgr: whether the first kernel's input channels are blue, green, red.
        details: of the run that the weights are from, if the file has them.
    """

    layers: Mapping[str, list[Array]]
    channels_first: bool
    bgr: bool = False
    details: RunDetails | None = None


def layers_from_keys(tensors: Mapping[str, Array], path: str | os.PathLike) -> dict[str, list[Array]]:
    """Groups tensors with PyTorch's keys by layer.

    Args:
        tensors: from key to tensor: torchvision's keys (`features.0.weight`), or our layers' names (`conv1.weight`).
        path: of the file, for messages.

    Returns:
        From our layers' names to float32 arrays in the order of `KEY_ENDS`. Other keys are left out.

    Raises:
        UserError: if there is no key that ends in `.weight`, or a weight is not a floating-point number.
    """
    layers = {}
    for prefix in (key.removesuffix(".weight") for key in tensors if key.endswith(".weight")):
        keys = [f"{prefix}.{end}" for end in KEY_ENDS if f"{prefix}.{end}" in tensors]
        layers[TORCHVISION_LAYERS.get(prefix, prefix)] = [float32(tensors[key], key, path) for key in keys]
    if not layers:
        raise UserError(f"weights must have keys such as 'conv1.weight' or 'features.0.weight', got {str(path)!r}")
    return layers


def float32(array: Array, name: str, path: str | os.PathLike) -> npt.NDArray[np.float32]:
    """Converts an array of floating-point numbers; without a copy if it has float32 already.

    Raises:
        UserError: if it has another kind of number.
    """
    if array.dtype.kind != "f" and array.dtype != ml_dtypes.bfloat16:
        raise UserError(f"weights must be floating-point numbers, got {array.dtype} in {name!r} of {str(path)!r}")
    with np.errstate(over="ignore"):  # Numbers too large become infinite, which `check_finite` reports.
        return array.astype(np.float32, copy=False)


def check_finite(weights: WeightFile, path: str | os.PathLike) -> None:
    """Checks that every weight is a finite number.

    Raises:
        UserError: naming the layer and the array that have a NaN or an infinite number.
    """
    for layer, arrays in weights.layers.items():
        names = ("kernel", "bias") if len(arrays) <= 2 else ("gamma", "beta", "moving mean", "moving variance")
        for name, array in zip(names, arrays, strict=False):
            if not np.isfinite(array).all():
                count = array.size - np.count_nonzero(np.isfinite(array))
                raise UserError(
                    f"weights must be finite, got {count} NaN or infinite number(s) in the {name} of layer {layer!r} "
                    f"of {str(path)!r}"
                )


def check_total(arrays: Mapping[str, Array], path: str | os.PathLike) -> None:
    """Checks that the file holds every number of the arrays, as it does not where many arrays share their numbers.

    Raises:
        UserError: if it has less than two bytes a number.
    """
    total, size = sum(array.size for array in arrays.values()), os.path.getsize(path)
    if 2 * total > size:
        raise UserError(f"weights must not share numbers, got {total} weights in the {size} bytes of {str(path)!r}")
