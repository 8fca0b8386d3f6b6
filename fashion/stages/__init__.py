"""What the model1/model2 scripts share."""
