"""The network in PyTorch, as its user would write it: eager or compiled, with the channels last."""

import os
import pathlib

import numpy as np
import torch
from torch import nn

from tools.bench.network import CLASSES, GRAY, WEIGHTS


class PaperNetwork(nn.Module):
    """The paper's network with exported weights: from uint8 (batch, 227, 227, 3) to logits (batch, 1000)."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__()
        # TensorFlow's alpha is not divided by the number of channels.
        norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        pool = nn.MaxPool2d(3, 2)
        layers = {
            "conv1": nn.Conv2d(3, 96, 11, 4), "after1": nn.Sequential(nn.ReLU(), norm, pool),
            "conv2": nn.Conv2d(96, 256, 5, 1, 2, groups=2), "after2": nn.Sequential(nn.ReLU(), norm, pool),
            "conv3": nn.Conv2d(256, 384, 3, 1, 1), "after3": nn.ReLU(),
            "conv4": nn.Conv2d(384, 384, 3, 1, 1, groups=2), "after4": nn.ReLU(),
            "conv5": nn.Conv2d(384, 256, 3, 1, 1, groups=2), "after5": nn.Sequential(nn.ReLU(), pool, _Flatten()),
            "fc6": nn.Linear(9216, 4096), "after6": nn.Sequential(nn.ReLU(), nn.Dropout(), _Half()),
            "fc7": nn.Linear(4096, 4096), "after7": nn.Sequential(nn.ReLU(), nn.Dropout(), _Half()),
            "fc8": nn.Linear(4096, CLASSES),
        }  # fmt: skip
        for name, module in layers.items():
            self.add_module(name, module)
        with np.load(directory / WEIGHTS) as weights:
            for name in {key.split("/")[0] for key in weights}:
                kernel = weights[f"{name}/kernel"]
                kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
                layers[name].weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
                layers[name].bias.data = torch.from_numpy(weights[f"{name}/bias"])
        self.to(memory_format=torch.channels_last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = images.permute(0, 3, 1, 2).float() - GRAY
        for module in self.children():
            values = module(values)
        return values


class _Flatten(nn.Module):
    """Flattens as TensorFlow does, with the channels last."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)


class _Half(nn.Module):
    """The paper's dropout multiplies by 0.5 at test time, PyTorch's by 2 in training."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * 0.5


def probabilities(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """The network's answer to uint8 images, float32 (images, 1000)."""
    with torch.inference_mode():
        return network(torch.from_numpy(images)).softmax(-1).numpy()


def load(directory: pathlib.Path, compiled: bool) -> nn.Module:
    """The network in inference mode, on all cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    network = PaperNetwork(directory).eval()
    return torch.compile(network) if compiled else network
