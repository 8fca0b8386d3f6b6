"""Outline <-> mask <-> run-lengths."""
