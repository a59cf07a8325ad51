"""AutoML search for the best Transformer on your translation data."""
