"""What can be set: settings, corpora, spaces and studies, and how they are read. Pure pydantic."""
