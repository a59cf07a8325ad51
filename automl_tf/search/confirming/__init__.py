"""The last round of a study: its best configurations again, with fresh seeds."""
