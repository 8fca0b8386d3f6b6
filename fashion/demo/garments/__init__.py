"""One file a kind of garment."""
