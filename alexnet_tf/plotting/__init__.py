"""Figures and pictures of a network: the paper's figures, training curves, and the images that TensorBoard shows."""

from alexnet_tf import optional


def check_matplotlib(user: str) -> None:
    """Raises UserError if Matplotlib, which the figures need, is not installed.

    Args:
        user: what needs it, for the message.
    """
    optional.require("matplotlib", user, "pip install 'alexnet-tf[plots]'")
