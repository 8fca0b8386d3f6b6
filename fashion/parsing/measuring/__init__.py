"""Measuring parsed clothing against a truth."""
