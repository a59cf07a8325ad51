"""From a corpus to token batches: reading, cleaning, subwords, caching and batching."""
