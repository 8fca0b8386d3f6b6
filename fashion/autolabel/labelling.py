"""Photographs become season-labelled VIA."""
