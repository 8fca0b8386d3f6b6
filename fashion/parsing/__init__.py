"""Clothing parsing with superpixels."""
