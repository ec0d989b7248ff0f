"""Registers the package's layers with Keras, so that `keras.models.load_model` knows them after `import alexnet_tf`."""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

LAYERS = "alexnet_tf.models.layers"


def register_layers() -> None:
    """Imports the layers now if Keras is imported already, else as soon as it is.

    Importing Keras takes seconds, which commands like `alexnet-tf --help` need not spend.
    """
    if "keras" in sys.modules:
        importlib.import_module(LAYERS)
    else:
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Finds Keras where the other finders do, and imports the layers after it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "keras":
            return None
        finders = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in finders)), None)
        if spec and spec.loader:
            spec.loader = _LoaderWithLayers(spec.loader)
        return spec


class _LoaderWithLayers(importlib.abc.Loader):
    """Wraps the loader of Keras."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        importlib.import_module(LAYERS)
