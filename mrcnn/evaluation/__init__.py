"""COCO's AP, Matterport's AP, matches and curves."""
