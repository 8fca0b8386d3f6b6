"""Atomic files, locks, downloads and background threads."""
