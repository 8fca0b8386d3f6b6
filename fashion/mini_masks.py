"""Mini masks made of box crops; see `mrcnn.mini_masks`."""

from mrcnn.mini_masks import shrink_masks

__all__ = ["shrink_masks"]
