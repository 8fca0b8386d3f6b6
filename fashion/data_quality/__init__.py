"""Describe, check and repair a data set."""
