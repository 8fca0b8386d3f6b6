"""Reading, resizing and molding pictures."""

import importlib

# Name -> the module that has it. Loaded on first use, so that importing this package stays quick.
_MODULES = {
    "compose_image_meta": "mrcnn.images.molding",
    "mold_image": "mrcnn.images.molding",
    "parse_image_meta": "mrcnn.images.molding",
    "read_image": "mrcnn.images.reading",
    "resize": "mrcnn.images.resizing",
    "resize_image": "mrcnn.images.resizing",
    "unmold_image": "mrcnn.images.molding",
}

__all__ = [
    "compose_image_meta",
    "mold_image",
    "parse_image_meta",
    "read_image",
    "resize",
    "resize_image",
    "unmold_image",
]


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
