"""The only home of MLflow, which is imported when it is used and not before.

What is logged goes to an outbox on disk and from there to MLflow by a background thread. So a
training never waits for a tracking server, and nothing is lost without one.
"""
