"""From an exported configuration to a shipped model: train, evaluate, translate."""
