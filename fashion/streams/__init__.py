"""Annotation files larger than memory, shards."""
