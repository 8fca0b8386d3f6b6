"""Export to other annotation tools and import from them."""
