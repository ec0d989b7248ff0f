"""The paper's pictures drawn from a run: functions that return Matplotlib figures (extra `plots`)."""


def check_matplotlib(user):
    """Raises ValueError if Matplotlib is not installed.

    Args:
        user: what needs it, for the message.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{user} needs Matplotlib: pip install 'alexnet-tf[plots]'. Received: {error}") from error
