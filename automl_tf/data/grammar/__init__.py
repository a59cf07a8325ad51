"""A synchronous grammar: one meaning, said in English and in German.

From the bottom up: ``chance`` (reproducible choices), ``words`` (what a lexicon entry is), the
tables ``nouns``, ``verbs``, ``qualities``, ``function_words`` and ``times``, ``meaning`` (what a
sentence says), the two realisers ``english`` and ``german`` over their word forms, and
``ideas``, ``events`` and ``invention``, which make meanings up.
"""
