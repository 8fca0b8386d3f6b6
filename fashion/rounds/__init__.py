"""From a folder of photographs to a model of its own: label, look, correct, train, again."""
