"""The Keras graph, training targets and losses."""
