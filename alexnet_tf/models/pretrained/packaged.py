"""Trained networks whose weights come with this package."""

import pathlib

from alexnet_tf.errors import UserError

# From the value of `weights` to the preset; the file in `data` has the same name.
PACKAGED = {"cifar10": "four_layers"}


def packaged_file(weights: str, preset_name: str | None = None) -> pathlib.Path:
    """The path of the weights that come with this package under a name of `PACKAGED`.

    Raises:
        UserError: if they are for another preset than the one named.
    """
    if preset_name not in (None, PACKAGED[weights]):
        raise UserError(f"weights={weights!r} needs the preset {PACKAGED[weights]!r}, got {preset_name!r}")
    return pathlib.Path(__file__).with_name("data") / f"{weights}.safetensors"


def packaged_weights(preset_name: str) -> str | None:
    """The name under which weights of a preset come with this package, or None."""
    return next((name for name, preset in PACKAGED.items() if preset == preset_name), None)
