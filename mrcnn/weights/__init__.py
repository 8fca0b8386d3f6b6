"""Weights in .h5 files: reading, writing, matching, known files."""

import importlib

# Name -> the module that has it. Loaded on first use, so that importing this package stays quick.
_MODULES = {
    "load_weights": "mrcnn.weights.matching",
    "save_weights": "mrcnn.weights.matching",
}

__all__ = ["load_weights", "save_weights"]


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
