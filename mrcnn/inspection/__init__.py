"""Every step inside a network as pictures."""
