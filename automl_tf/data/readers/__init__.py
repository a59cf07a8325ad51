"""Readers of parallel text: one class for each kind of input, all with the same interface.

A reader is iterated for its pairs, which it takes from its file piece by piece, and says where a
pair stands (:class:`automl_tf.data.pairs.PairReader`). What cannot be read ends the iteration with
a ``UserError`` that names file, line or row, and remedy. ``text_files`` opens and decompresses
files for all of them.
"""
