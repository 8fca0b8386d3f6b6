"""From a folder of photographs to a model for them: label, review, correct, train, repeat."""
