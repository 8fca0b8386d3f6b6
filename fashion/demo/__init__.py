"""Drawn people in garments, with exact masks; demo_start.h5 beside it."""
