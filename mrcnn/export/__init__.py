"""Export to SavedModel, ONNX and LiteRT."""

import importlib

# Name -> the module that has it. Loaded on first use, so that importing this package stays quick.
_MODULES = {
    "export_model": "mrcnn.export.exporting",
    "check_exportable": "mrcnn.export.exporting",
}

__all__ = ["check_exportable", "export_model"]


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
