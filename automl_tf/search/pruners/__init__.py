"""The pruner of ``pruner: {kind: auto}``: it stops what will hardly end among the best.

``curve`` is BLEU by step, ``shapes`` says how curves go on in general, ``outlook`` judges a curve
by them and by those of the study, ``rivals`` reads the study's trials, ``pruner`` is Optuna's.
"""
