"""Evaluate.py: run, tables, report page."""
