"""Errors that are not bugs: what the user asked for, or the machine it runs on, does not allow it."""


class UserError(ValueError):
    """Invalid input. The message names the argument, what is allowed and what was received.

    Commands print it as one line and exit with code 1; any other exception is a bug and shows its traceback.
    """


class SaveError(UserError):
    """A file could not be written, for example because the disk is full; what was there before is unchanged."""
