"""Trains one configuration with Lightning; an observer decides whether the training continues."""
