"""From a data set to training batches."""
