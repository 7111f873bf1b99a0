"""The conversation as it is shown: turns, columns of sequences, the numbers of a run."""
