"""The obvious start: transformers' Auto classes and one token, printed. Arguments: folder, prompt."""

from __future__ import annotations

import sys
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer


def main(folder: str, prompt: str) -> None:
    """Load, run one step, print its token."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    auto_model: Any = AutoModelForCausalLM
    model = auto_model.from_pretrained(folder).eval()
    inputs = tokenizer(prompt, return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=1, do_sample=False, pad_token_id=0)
    print(int(ids[0, -1]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
