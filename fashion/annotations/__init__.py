"""VIA and COCO both ways; regions become instances."""
