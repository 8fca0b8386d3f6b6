"""Paint masks, boxes, captions; matplotlib helpers."""
