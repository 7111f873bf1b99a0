"""Half of a BERT learns from the whole."""
