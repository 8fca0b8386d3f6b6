"""The Keras graph, training targets, losses."""
