"""Painting masks, boxes and captions; matplotlib helpers."""
