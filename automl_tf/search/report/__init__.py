"""HTML report of a study: its result, its figures and its trials in one self-contained file."""
