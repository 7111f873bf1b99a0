"""Beam search: the likeliest whole continuations, found by following the best few at once.

The bookkeeping is that of transformers 5.23 (`GenerationMixin._beam_search` without sampling, early_stopping=False,
length_penalty=1), so the ids are equal. Penalties act on log-probabilities, as there; samplers that draw do nothing.
Every step says which continuations are followed; the records of the winners come when the search ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.engine.generation.decoding import PrefixCache, SequenceEnd, finish_reason, read_prompt, run_stats
from core.engine.generation.sampling import penalize
from core.engine.generation.token_choice import Choice, describe_choices
from core.engine.networks.loading import LoadedCausal
from core.messages.records import Beam, FinishReason, StepRecord
from core.messages.sampling_params import SamplingParams

_IMPOSSIBLE = -1e9


@dataclass(frozen=True, slots=True)
class BeamStep:
    """The continuations followed after a step, best first."""

    index: int
    beams: tuple[Beam, ...]


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """One continuation: its tokens, what is known of each, and its score."""

    score: float
    parent: int
    choices: tuple[Choice, ...]
    times_s: tuple[float, ...]
    ended: FinishReason | None = None

    @property
    def ids(self) -> list[int]:
        """Its new tokens."""
        return [choice.id for choice in self.choices]


class BeamSearch:
    """One run of beam search over a prompt."""

    def __init__(
        self,
        loaded: LoadedCausal,
        prompt_ids: list[int],
        params: SamplingParams,
        should_stop: Callable[[], bool],
        *,
        prefix: PrefixCache,
        began: float,
    ) -> None:
        """Prepare a search; the arguments are those of `decoding.Decoder`."""
        self._loaded, self._prompt_ids, self._params = loaded, prompt_ids, params
        self._should_stop = should_stop
        self._prefix = prefix
        self._began = began
        self._running = [_Hypothesis(0.0, 0, (), ())]
        self._finished: list[tuple[float, _Hypothesis]] = []
        self._improvable = True
        self._prefill_s = 0.0

    def run(self) -> Iterator[BeamStep | StepRecord | SequenceEnd]:
        """Search to the end, telling each step, then give the winners' records."""
        model, cache = self._loaded.model, self._prefix.cache
        prefill_began = time.perf_counter()
        logits = read_prompt(self._loaded, self._prompt_ids, self._prefix)  # (1, V)
        self._prefill_s = time.perf_counter() - prefill_began
        while True:
            with torch.inference_mode():
                grown = self._grow(logits)
            self._advance(grown)
            yield self._step()
            if not self._improvable or all(hypothesis.ended for hypothesis in grown) or self._should_stop():
                break
            cache.keep_rows([hypothesis.parent for hypothesis in self._running])
            last = torch.tensor([[hypothesis.choices[-1].id] for hypothesis in self._running], device=model.device)
            with torch.inference_mode():
                logits = model.forward(last, cache)  # (B, V)
        yield from self._winners()

    def _grow(self, logits: Tensor) -> list[_Hypothesis]:
        """The best continuations by one token, best first: twice as many as beams, in case half of them end."""
        beams, eos = self._params.num_beams, self._loaded.eos_ids
        vocabulary = logits.shape[-1]
        scores = logits.float().log_softmax(-1)
        _, scores = penalize(scores, [self._prompt_ids + one.ids for one in self._running], self._params)[-1]
        scores = scores + torch.tensor([[one.score] for one in self._running], device=scores.device)
        count = min(max(2, 1 + len(eos)) * beams, scores.numel())
        best, places = scores.flatten().topk(count)
        parents, ids = places // vocabulary, places % vocabulary
        choices = describe_choices(logits[parents], ids.unsqueeze(-1), self._params, self._loaded.tokenizer)
        elapsed_s = time.perf_counter() - self._began
        columns = zip(best.tolist(), parents.tolist(), choices, strict=True)
        return [
            self._extend(self._running[parent], parent, score, choice, elapsed_s) for score, parent, choice in columns
        ]

    def _extend(self, before: _Hypothesis, parent: int, score: float, choice: Choice, elapsed_s: float) -> _Hypothesis:
        choices, times_s = (*before.choices, choice), (*before.times_s, elapsed_s)
        ids = [one.id for one in choices]
        text = self._text(ids) if self._params.stop_strings else ""
        ended = finish_reason(self._loaded, self._params, len(self._prompt_ids), ids, text)
        return _Hypothesis(score, parent, choices, times_s, ended)

    def _advance(self, grown: list[_Hypothesis]) -> None:
        """Sort the grown continuations into those that go on and those that are finished."""
        beams = self._params.num_beams
        length = len(grown[0].choices)
        if self._improvable:
            ended = [(one.score / length, one) for one in grown[:beams] if one.ended]
            self._finished = sorted(self._finished + ended, key=lambda pair: -pair[0])[:beams]
        going_on = sorted(grown, key=lambda one: -(one.score + (_IMPOSSIBLE if one.ended else 0)))[:beams]
        self._running = going_on
        best = going_on[0].score + (_IMPOSSIBLE if going_on[0].ended else 0)
        full = len(self._finished) == beams
        self._improvable = self._improvable and (not full or best / length > self._finished[-1][0])

    def _step(self) -> BeamStep:
        beams = tuple(Beam(one.score, one.parent, one.choices[-1].id, self._text(one.ids)) for one in self._running)
        return BeamStep(len(self._running[0].choices) - 1, beams)

    def _winners(self) -> Iterator[StepRecord | SequenceEnd]:
        ranked = [one for _, one in self._finished]
        ranked += [one for one in self._running if not one.ended or not ranked]  # what a stopped search had so far
        for number, hypothesis in enumerate(ranked[: self._params.num_return_sequences]):
            yield from self._records(number, hypothesis)

    def _records(self, number: int, hypothesis: _Hypothesis) -> Iterator[StepRecord | SequenceEnd]:
        tokenizer, stream = self._loaded.tokenizer, self._loaded.tokenizer.stream()
        pieces: list[str] = []
        first_text_s = 0.0
        for index, (choice, elapsed_s) in enumerate(zip(hypothesis.choices, hypothesis.times_s, strict=True)):
            text = "" if choice.id in self._loaded.eos_ids else stream.feed(choice.id)
            if index == len(hypothesis.choices) - 1:
                text += stream.flush()
            first_text_s = first_text_s or (elapsed_s if text else 0.0)
            pieces.append(text)
            yield choice.record(number, index, text, tokenizer.token_bytes(choice.id), elapsed_s)
        times_s = list(hypothesis.times_s)
        decode_s = times_s[-1] - times_s[0]
        stats = run_stats(
            times_s=times_s,
            logprobs=[choice.logprob for choice in hypothesis.choices],
            ttft_s=first_text_s,
            tokens_per_s=(len(times_s) - 1) / decode_s if decode_s > 0 else 0.0,
            prefill_s=self._prefill_s,
            prompt_tokens=len(self._prompt_ids),
            n_positions=self._loaded.info.n_positions,
        )
        ended = hypothesis.ended or FinishReason.CANCELLED
        yield SequenceEnd(number, ended, "".join(pieces), tuple(hypothesis.ids), stats)

    def _text(self, ids: list[int]) -> str:
        return self._loaded.tokenizer.decode([token_id for token_id in ids if token_id not in self._loaded.eos_ids])
