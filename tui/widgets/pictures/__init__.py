"""Numbers as pictures: curves, maps and shades."""
