"""From a folder of photographs to a model of its own: label, review, correct, train, repeat."""
