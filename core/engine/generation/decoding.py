"""The decode loop: a prompt in, one `StepRecord` a token out, and why each sequence ended.

A generator: the caller takes records at its own pace and ends it through `should_stop`, which is asked once a step.
It knows no process, no pipe and no screen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median, quantiles

import torch
from torch import Tensor

from core.engine.generation.token_choice import Choice, choose
from core.engine.networks.causal import Cache
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError, PromptTooLongError
from core.messages.records import FinishReason, RunStats, StepRecord
from core.messages.sampling_params import SamplingParams
from core.text.tokenization import TextStream

_LARGEST_EXPONENT = 700.0
"""e to this is about the largest number there is; a token the model held for impossible would pass it."""


@dataclass(slots=True)
class PrefixCache:
    """The keys and values of one token sequence, kept so that a prompt that starts the same costs only the rest."""

    cache: Cache
    ids: list[int] = field(default_factory=list)

    def rewind(self, ids: Sequence[int]) -> list[int]:
        """Cut the cache back to what it shares with `ids`; return the ids still to be read (at least one)."""
        shared = 0
        for held, wanted in zip(self.ids, ids[:-1], strict=False):
            if held != wanted:
                break
            shared += 1
        self.cache.truncate(shared)
        self.ids = list(ids)
        return list(ids[self.cache.length :])


@dataclass(frozen=True, slots=True)
class Retuning:
    """Other settings from here on."""

    index: int
    """The first new token they choose."""
    params: SamplingParams


@dataclass(frozen=True, slots=True)
class SequenceEnd:
    """A sequence that ended, and why."""

    sequence: int
    finish_reason: FinishReason
    text: str
    ids: tuple[int, ...]
    stats: RunStats


def fit_prompt(ids: list[int], loaded: LoadedCausal, params: SamplingParams, *, truncate: bool) -> list[int]:
    """Make sure that a prompt leaves room for at least one new token.

    Args:
        ids: the prompt's token ids.
        loaded: the model.
        params: for the new tokens asked for.
        truncate: keep the end of a prompt that is too long.

    Returns:
        The ids to read.

    Raises:
        InputError: there are none, or max_length leaves no room.
        PromptTooLongError: too many, and `truncate` is off.
    """
    positions = loaded.info.n_positions
    if not ids:
        raise InputError("the prompt has no tokens", "give at least one character")
    if len(ids) >= positions:
        if not truncate:
            raise PromptTooLongError(
                f"the prompt has {len(ids):,} tokens, {loaded.info.name} has {positions:,} positions",
                "shorten it, or keep only its end (--truncate)",
            )
        ids = ids[-max(1, positions - min(params.max_new_tokens, positions // 2)) :]
    if params.new_token_limit(len(ids)) < 1:
        raise InputError(
            f"max_length {params.max_length} leaves no room after a prompt of {len(ids)} tokens",
            "raise --max-length or use --max-new-tokens",
        )
    return ids


def read_prompt(loaded: LoadedCausal, ids: Sequence[int], prefix: PrefixCache) -> Tensor:
    """Read a prompt, all but what `prefix` holds already; return the (1, V) logits of the next token."""
    rest = prefix.rewind(ids)
    with torch.inference_mode():
        return loaded.model.forward(torch.tensor([rest], device=loaded.model.device), prefix.cache)


def finish_reason(
    loaded: LoadedCausal, params: SamplingParams, prompt_tokens: int, ids: Sequence[int], text: str
) -> FinishReason | None:
    """Why a sequence ends with its newest token; None when it goes on.

    Args:
        loaded: the model.
        params: the settings.
        prompt_tokens: how many tokens the prompt has.
        ids: the new tokens.
        text: their text.
    """
    if ids[-1] in loaded.eos_ids:
        return FinishReason.EOS
    if any(stop in text for stop in params.stop_strings):
        return FinishReason.STOP_STRING
    if len(ids) >= params.new_token_limit(prompt_tokens):
        return FinishReason.LENGTH
    # The newest token needs a position of its own before the next one can be predicted.
    if prompt_tokens + len(ids) >= loaded.info.n_positions:
        return FinishReason.CONTEXT
    return None


class _Sequence:
    """One continuation in the making."""

    def __init__(self, number: int, params: SamplingParams, stream: TextStream) -> None:
        self.number = number
        self.generator = torch.Generator().manual_seed(params.seed + number)
        self.stream = stream
        self.ids: list[int] = []
        self.text = ""
        self.logprobs: list[float] = []
        self.times_s: list[float] = []
        self.first_text_s = 0.0
        self.finish_reason: FinishReason | None = None


class Decoder:
    """One run: the shared prompt, its sequences, and the records they give."""

    def __init__(
        self,
        loaded: LoadedCausal,
        prompt_ids: list[int],
        params: SamplingParams,
        should_stop: Callable[[], bool],
        *,
        prefix: PrefixCache | None = None,
        began: float | None = None,
        new_params: Callable[[int], SamplingParams | None] = lambda _: None,
    ) -> None:
        """Prepare a run.

        Args:
            loaded: the model.
            prompt_ids: as `fit_prompt` returns them.
            params: the settings.
            should_stop: asked before each step; True ends every sequence with `cancelled`.
            prefix: a cache to reuse; this run takes it over.
            began: `time.perf_counter()` when the request arrived.
            new_params: asked before each step, with the index of the token to come; other settings, or None.
        """
        self._loaded = loaded
        self._new_params = new_params
        self._prompt_ids = prompt_ids
        self._params = params
        self._should_stop = should_stop
        self._prefix = prefix or PrefixCache(loaded.model.new_cache())
        self._began = time.perf_counter() if began is None else began
        self._prefill_s = 0.0
        count = params.num_return_sequences
        self._sequences = [_Sequence(number, params, loaded.tokenizer.stream()) for number in range(count)]

    def run(self) -> Iterator[StepRecord | SequenceEnd | Retuning]:
        """Decode until every sequence has ended; sequences that run on share one forward pass a step."""
        model, cache = self._loaded.model, self._prefix.cache
        active = self._sequences
        if self._should_stop():
            yield from self._finish_all(active)
            return
        prefill_began = time.perf_counter()
        logits = read_prompt(self._loaded, self._prompt_ids, self._prefix)  # (1, V)
        self._prefill_s = time.perf_counter() - prefill_began
        if len(active) > 1:
            cache.keep_rows([0] * len(active))
            logits = logits.expand(len(active), -1)
        while True:
            yield from self._retune(active)
            yield from self._step(logits, active)
            going = [row for row, sequence in enumerate(active) if sequence.finish_reason is None]
            if going and self._should_stop():
                yield from self._finish_all([active[row] for row in going])
                return
            if not going:
                return
            if len(going) < len(active):
                cache.keep_rows(going)
                active = [active[row] for row in going]
            last = torch.tensor([[sequence.ids[-1]] for sequence in active], device=model.device)
            with torch.inference_mode():
                logits = model.forward(last, cache)

    def _retune(self, active: list[_Sequence]) -> Iterator[Retuning]:
        """Take new settings; what was fixed when the run began stays."""
        index = len(active[0].ids)
        wanted = self._new_params(index)
        if wanted is None:
            return
        now = self._params
        fixed = {name: getattr(now, name) for name in ("seed", "num_return_sequences", "num_beams")}
        changed = wanted.changed(**fixed)
        if changed != now:
            self._params = changed
            yield Retuning(index, changed)

    def _step(self, logits: Tensor, active: list[_Sequence]) -> Iterator[StepRecord | SequenceEnd]:
        with torch.inference_mode():
            choices = choose(
                logits,
                [self._prompt_ids + sequence.ids for sequence in active],
                self._params,
                [sequence.generator for sequence in active],
                self._loaded.tokenizer,
            )
        for sequence, choice in zip(active, choices, strict=True):
            yield self._record(sequence, choice)
            if sequence.finish_reason is not None:
                yield self._end(sequence)

    def _record(self, sequence: _Sequence, choice: Choice) -> StepRecord:
        """Add a choice to its sequence and say everything about it."""
        sequence.ids.append(choice.id)
        sequence.logprobs.append(choice.logprob)
        text = "" if choice.id in self._loaded.eos_ids else sequence.stream.feed(choice.id)
        sequence.finish_reason = finish_reason(
            self._loaded, self._params, len(self._prompt_ids), sequence.ids, sequence.text + text
        )
        if sequence.finish_reason is not None:
            text += sequence.stream.flush()
        sequence.text += text
        elapsed_s = time.perf_counter() - self._began
        sequence.times_s.append(elapsed_s)
        if text and not sequence.first_text_s:
            sequence.first_text_s = elapsed_s
        token_bytes = self._loaded.tokenizer.token_bytes(choice.id)
        return choice.record(sequence.number, len(sequence.ids) - 1, text, token_bytes, elapsed_s)

    def _finish_all(self, active: list[_Sequence]) -> Iterator[SequenceEnd]:
        for sequence in active:
            sequence.finish_reason = FinishReason.CANCELLED
            sequence.text += sequence.stream.flush()
            yield self._end(sequence)

    def _end(self, sequence: _Sequence) -> SequenceEnd:
        assert sequence.finish_reason is not None
        return SequenceEnd(
            sequence.number, sequence.finish_reason, sequence.text, tuple(sequence.ids), self._stats(sequence)
        )

    def _stats(self, sequence: _Sequence) -> RunStats:
        ends = [other.times_s[-1] for other in self._sequences if other.times_s]
        decode_s = max(ends, default=0.0) - (sequence.times_s[0] if sequence.times_s else 0.0)
        after_first = sum(max(0, len(other.ids) - 1) for other in self._sequences)
        return run_stats(
            times_s=sequence.times_s,
            logprobs=sequence.logprobs,
            ttft_s=sequence.first_text_s,
            tokens_per_s=after_first / decode_s if decode_s > 0 else 0.0,
            prefill_s=self._prefill_s,
            prompt_tokens=len(self._prompt_ids),
            n_positions=self._loaded.info.n_positions,
        )


def run_stats(
    *,
    times_s: list[float],
    logprobs: list[float],
    ttft_s: float,
    tokens_per_s: float,
    prefill_s: float,
    prompt_tokens: int,
    n_positions: int,
) -> RunStats:
    """Put together what is known of a finished sequence.

    Args:
        times_s: when each of its tokens was there.
        logprobs: natural log-probability of each.
        ttft_s: when its first text was there.
        tokens_per_s: decode speed of the run.
        prefill_s: how long the prompt took to read.
        prompt_tokens: how many tokens the prompt has.
        n_positions: of the model.
    """
    gaps = [later - earlier for earlier, later in pairwise(times_s)]
    return RunStats(
        ttft_s=ttft_s,
        itl_p50_s=median(gaps) if gaps else 0.0,
        itl_p99_s=quantiles(gaps, n=100, method="inclusive")[-1] if len(gaps) > 1 else sum(gaps),
        tokens_per_s=tokens_per_s,
        prompt_tokens_per_s=prompt_tokens / prefill_s if prefill_s else 0.0,
        perplexity=math.exp(min(-fmean(logprobs), _LARGEST_EXPONENT)) if logprobs else 0.0,
        prompt_tokens=prompt_tokens,
        new_tokens=len(logprobs),
        context_used=prompt_tokens + len(logprobs),
        n_positions=n_positions,
    )
