"""Turning photographs into season-labelled VIA annotations."""
