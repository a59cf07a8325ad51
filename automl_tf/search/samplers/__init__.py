"""The sampler of ``sampler: {kind: auto}``, and Optuna's samplers as a study names them."""
