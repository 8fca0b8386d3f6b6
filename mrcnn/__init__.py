"""Mask R-CNN on Keras 3, with the names, weight files and numbers of Matterport's original."""

__version__ = "0.1.0"
