"""Photographs become season-labelled VIA annotations."""
