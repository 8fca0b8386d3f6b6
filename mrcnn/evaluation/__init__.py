"""COCO's AP, Matterport's AP, matches, curves."""
