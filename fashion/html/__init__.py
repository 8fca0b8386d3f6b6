"""Shared HTML: templates, charts, thumbnails, and the files in static/."""
