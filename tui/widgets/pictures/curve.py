"""A falling loss, or anything else that changes over time, as columns of block characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

EIGHTHS = " ▁▂▃▄▅▆▇█"


def curve(values: Sequence[float], cells: int, rows: int) -> list[str]:
    """Columns as high as the values, from 0 up; several values to a column are their mean.

    Args:
        values: none below 0.
        cells: width at most; fewer values take a cell each.
        rows: height.

    Returns:
        `rows` lines, the top one first; the highest column fills them all.
    """
    if not values:
        return [""] * rows
    columns = min(cells, len(values))
    edges = [place * len(values) // columns for place in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    highest = max(means) or 1.0
    heights = [round(mean / highest * rows * 8) for mean in means]  # in eighths of a cell
    return ["".join(EIGHTHS[min(max(height - 8 * row, 0), 8)] for height in heights) for row in reversed(range(rows))]
