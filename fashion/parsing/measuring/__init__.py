"""Parsing against a truth."""
