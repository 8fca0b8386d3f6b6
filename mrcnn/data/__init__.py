"""A data set becomes training batches."""
