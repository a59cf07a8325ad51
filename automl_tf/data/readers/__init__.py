"""Readers of parallel text: one class for each kind of input, all iterables of pairs.

A reader takes its pairs from its files piece by piece, anew each time that it is iterated. What
cannot be read ends the iteration with a ``UserError`` that names file, line or row, and remedy.
``compression`` opens files for all of them, ``text_files`` decodes their lines, ``columns`` finds
the text in the rows of tables.
"""
