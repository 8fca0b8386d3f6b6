"""Fashion on top of `mrcnn`: labels, annotations, training stages, pictures."""
