"""Other annotation tools, both ways."""
