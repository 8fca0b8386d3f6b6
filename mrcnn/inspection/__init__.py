"""Pictures of every step inside a network."""
