"""The sampler of ``sampler: {kind: auto}``: a Gaussian process that knows Transformers.

``axes`` makes coordinates of a space, ``prior`` says what is known before any trial, ``history``
reads trials, ``process`` believes, ``candidates`` lists what may be proposed, ``sampler`` chooses.
"""
