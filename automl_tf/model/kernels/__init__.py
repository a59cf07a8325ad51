"""What makes the textbook fast: the same results as its formulas, in less time or memory.

Each module holds one function that the textbook calls. `tests/model` compares it with the formula.
"""
