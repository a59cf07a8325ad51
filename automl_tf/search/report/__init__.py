"""One page about a study, for people: what was searched, what won, and how the trials went."""
