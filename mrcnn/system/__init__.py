"""Atomic files, locks, downloads, background threads."""
