"""Workers: this process, several, or a Ray cluster."""
