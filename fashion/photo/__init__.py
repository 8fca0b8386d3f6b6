"""The model for photographs: its data, its training, its weights and its figures."""
