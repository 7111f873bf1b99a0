"""The golden values of the bundled GPT-2: `python -m training.golden`.

Writes what `nlp-tui doctor` compares every device and precision with. Run it whenever the weights of `starter/gpt2`
have changed. The numbers come from transformers' own GPT-2 in float64, not from the forward they are to check.
"""

import sys
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from core.engine.golden import GOLDEN_FILE, PROMPT, TOP, Golden, write_golden
from core.models.provenance import sha256
from core.models.registry import DEFAULT_GENERATOR, resolve, weight_files
from core.text.tokenization import TextTokenizer


def compute_golden() -> Golden:
    """Return what the bundled GPT-2 holds for likely after the prompt."""
    resolved = resolve(DEFAULT_GENERATOR)
    ids = TextTokenizer.from_folder(resolved.name, resolved.folder).ids(PROMPT)
    model: Any = GPT2LMHeadModel.from_pretrained(resolved.folder, dtype=torch.float64)
    model.eval()
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    best = logprobs.topk(TOP)
    return Golden(
        tuple(ids),
        tuple(best.indices.tolist()),
        tuple(round(value, 9) for value in best.values.tolist()),
        sha256(weight_files(resolved)),
    )


def main() -> int:
    """Write the values and say where."""
    write_golden(compute_golden())
    print(GOLDEN_FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
