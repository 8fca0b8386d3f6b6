"""The same by processes or a Ray cluster."""
