"""The engine of nlp-tui: records, tokenization, models, sampling, decoding, and the process that runs them.

Tensor shapes are written with one alphabet throughout: B batch, T time (positions), V vocabulary,
H attention heads, D width, L layers, N any number of entries of one distribution.
"""
