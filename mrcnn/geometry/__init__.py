"""Boxes, masks and anchors in NumPy; no TensorFlow."""
