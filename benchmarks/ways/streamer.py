"""The obvious way: transformers' `generate` in a thread, read through its `TextIteratorStreamer`.

The streamer holds text back until a space; here it also hands over a mark for each token, so that the arrival of tokens
can be timed. The cost of that is a queue entry.
"""

from __future__ import annotations

import threading
from typing import Any

from benchmarks.ways.serve import Options, Request, Run, Write, serve

_TOKEN = "a token\0"
_UNKNOWN_ID = -1
"""The streamer passes text on, not ids."""


def make(options: Options) -> tuple[Run, str]:
    """Load model and tokenizer through the Auto classes."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

    torch.set_num_threads(options.threads)
    tokenizer: Any = AutoTokenizer.from_pretrained(options.model)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[options.precision]
    auto_model: Any = AutoModelForCausalLM
    model = auto_model.from_pretrained(options.model, dtype=dtype).eval()

    class TokenStreamer(TextIteratorStreamer):
        """One mark for each token."""

        def put(self, value: torch.Tensor) -> None:
            """Take tokens in as they come; the first call brings the prompt."""
            is_prompt = self.next_tokens_are_prompt
            super().put(value)  # type: ignore[no-untyped-call]
            if not is_prompt:
                self.text_queue.put(_TOKEN)

    def run(request: Request, write: Write) -> None:
        streamer = TokenStreamer(tokenizer, skip_prompt=True)
        settings = {"max_new_tokens": request.new_tokens, "do_sample": False, "pad_token_id": 0, "streamer": streamer}
        inputs = tokenizer(request.text, return_tensors="pt")
        thread = threading.Thread(target=model.generate, kwargs={**inputs, **settings})
        thread.start()
        for piece in streamer:
            if piece == _TOKEN:
                write(_UNKNOWN_ID)
        thread.join()

    return run, ""


if __name__ == "__main__":
    serve(make)
