"""Packages that only some tasks need, and that some platforms do not have."""

import importlib
from types import ModuleType

from alexnet_tf.errors import UserError


def require(module: str, user: str, advice: str) -> ModuleType:
    """Imports a package, on first use rather than at the start of the importing module.

    Args:
        module: what to import.
        user: what needs it, for the message: "dataset 'tfds:cifar10'".
        advice: how to get it, or how to do without: "pip install tensorflow-datasets".

    Raises:
        UserError: if it is not installed, with the advice.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{user} needs {module.partition('.')[0]}: {advice} ({error})") from error
