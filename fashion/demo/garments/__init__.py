"""One module per kind of garment."""
