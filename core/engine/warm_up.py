"""Importing transformers ahead of need, in pieces, so that the first comparison need not wait for it.

The whole import takes seconds; each piece a fraction of one, so a request that comes in between waits no longer than
that. A piece that is not there is skipped: the real import will say what is missing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

# The first ones are what transformers itself imports, taken alone because together they are one long wait.
_PIECES = (
    "numpy.polynomial",
    "torch._inductor.test_operators",
    "torch._dynamo",
    "torch.distributed._composable.fsdp",
    "transformers",
    "transformers.generation.continuous_batching.cache",
    "transformers.core_model_loading",
    "transformers.modeling_utils",
    "transformers.models.bert.modeling_bert",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.tokenization_bert",
)


def import_in_pieces() -> Iterator[str]:
    """Import piece after piece; yields the name of each that is done."""
    for name in _PIECES:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        yield name
