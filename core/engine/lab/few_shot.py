"""Answers on offer scored by a causal model: the prompt is read once, and each answer after it.

Source: Brown et al. 2020, "Language models are few-shot learners", section 2.4 (answers compared by log-probability,
also per token). Where a prompt ends and an answer begins is a matter of tokens. Rule: a space at the end of the prompt
goes to the answer; an answer without white space before it gets one space, unless the prompt ends with a line end or
the like; both are tokenised together, and the answer's tokens are those after what the prompt's own tokens cover.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError, PromptTooLongError
from core.lab.few_shot import ScoreAnswers, ScoredAnswer, ScoredAnswers, ScoredToken


def score_answers(desk: Desk, question: ScoreAnswers) -> Iterator[ScoredAnswers]:
    """Score each answer after the prompt.

    Raises:
        InputError: the prompt is empty.
        PromptTooLongError: prompt and answer have more tokens than the model has positions.
        EngineError: the model cannot be had.
    """
    loaded = desk.causal(question.model)
    prompt = question.prompt.removesuffix(" ")
    prompt_ids = loaded.tokenizer.ids(prompt)
    if not prompt.strip() or not prompt_ids:
        raise InputError("the prompt is empty", "write a task, an example or a query")
    reader = _Reader(loaded)
    scored: list[tuple[str, str, list[ScoredToken]]] = []
    for answer in dict.fromkeys(question.answers):
        if desk.should_stop():
            return
        read = answer_text(question.prompt, answer)
        ids = _without_end(loaded, loaded.tokenizer.ids(prompt + read))
        start = max(1, _shared(prompt_ids, ids[:-1]))
        if len(ids) > loaded.info.n_positions:
            raise PromptTooLongError(
                f"prompt and answer have {len(ids):,} tokens, {loaded.info.name} reads {loaded.info.n_positions:,}",
                "leave out examples",
            )
        logprobs = reader.logprobs(ids, start)
        tokens = [
            ScoredToken(id_, loaded.tokenizer.token_text(id_), logprob)
            for id_, logprob in zip(ids[start:], logprobs, strict=True)
        ]
        scored.append((answer, read, tokens))
        desk.between()
    yield ScoredAnswers(loaded.info.name, prompt, len(prompt_ids), tuple(_compared(scored)))


def answer_text(prompt: str, answer: str) -> str:
    """An answer as it stands after a prompt, with the space that the prompt had at its end.

    Args:
        prompt: the prompt as it was given.
        answer: the answer as it was given.
    """
    if prompt.endswith(" "):
        return f" {answer}"
    return answer if answer[0].isspace() or prompt[-1:].isspace() else f" {answer}"


class _Reader:
    """Reads sequences that begin alike, each position once."""

    def __init__(self, loaded: LoadedCausal) -> None:
        self._model = loaded.model
        self._cache = loaded.model.new_cache()
        self._read: list[int] = []

    def logprobs(self, ids: Sequence[int], start: int) -> list[float]:
        """The natural log-probability of each token from `start` on (1 at least), given all before it."""
        self._cache.truncate(min(start - 1, _shared(self._read, ids)))
        with torch.inference_mode():
            if missing := list(ids[self._cache.length : start - 1]):
                self._forward(missing)
            logits = self._forward(ids[start - 1 : -1], every_position=True)[0]  # (n, V)
        self._read = list(ids[:-1])
        wanted = torch.tensor(ids[start:], device=logits.device)
        found: list[float] = logits.float().log_softmax(-1).gather(1, wanted[:, None])[:, 0].tolist()
        return found

    def _forward(self, ids: Sequence[int], *, every_position: bool = False) -> Tensor:
        row = torch.tensor([list(ids)], device=self._model.device)
        return self._model.forward(row, self._cache, every_position=every_position)


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids two sequences have in common at their beginning."""
    length = min(len(first), len(second))
    return next((place for place in range(length) if first[place] != second[place]), length)


def _without_end(loaded: LoadedCausal, ids: list[int]) -> list[int]:
    """The ids without special tokens that the tokenizer puts at the end of a text."""
    added = loaded.tokenizer.ids("")
    while len(ids) > 1 and ids[-1] in added and loaded.tokenizer.is_special(ids[-1]):
        ids = ids[:-1]
    return ids


def _compared(scored: Sequence[tuple[str, str, list[ScoredToken]]]) -> Iterator[ScoredAnswer]:
    """The answers with their shares and who wins."""
    sums = [math.fsum(token.logprob for token in tokens) for _, _, tokens in scored]
    means = [total / len(tokens) for total, (_, _, tokens) in zip(sums, scored, strict=True)]
    shares, mean_shares = (torch.tensor(values, dtype=torch.float64).softmax(0).tolist() for values in (sums, means))
    for number, (answer, read, tokens) in enumerate(scored):
        yield ScoredAnswer(
            answer=answer,
            read=read,
            tokens=tuple(tokens),
            sum=sums[number],
            mean=means[number],
            prob=shares[number],
            prob_per_token=mean_shares[number],
            best=number == sums.index(max(sums)),
            best_per_token=number == means.index(max(means)),
        )


TASKS: Tasks = {ScoreAnswers: LabTask(score_answers)}
