"""The pruner of ``pruner: {kind: auto}``, and Optuna's pruners as a study names them."""
