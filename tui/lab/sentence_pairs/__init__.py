"""Two sentences: similarity, and whether one follows the other."""
