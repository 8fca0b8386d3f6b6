"""Boxes, masks, anchors in NumPy; no TensorFlow."""
