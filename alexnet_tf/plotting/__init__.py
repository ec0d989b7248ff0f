"""Figures and pictures of a network: the paper's figures, training curves, and the images that TensorBoard shows."""

from alexnet_tf.errors import UserError


def check_matplotlib(user: str) -> None:
    """Raises UserError if Matplotlib, which the figures need, is not installed.

    Args:
        user: what needs it, for the message.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError(f"{user} needs Matplotlib: pip install 'alexnet-tf[plots]' ({error})") from error
