"""A photograph becomes detections."""
