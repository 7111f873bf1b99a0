"""Evaluating masked language models: how often, and how surely, the hidden word is found.

Only the states of the masked places go through the model's head, whose cost is that of the vocabulary.
Source: Devlin et al. 2019, "BERT", section 3.1, for the 15 % of tokens that are drawn where a file names no words.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from core.engine.lab.desk import Desk
from core.engine.lab.evaluation.journal import Values
from core.engine.lab.evaluation.metrics import exp_of
from core.engine.lab.evaluation.work import (
    breathe,
    can_pad,
    check_numbers,
    encoder_budget,
    padded,
    readable_token,
    shorten,
    split_batches,
    tokenise,
)
from core.engine.lab.masked_lm import MASK, draw_disguises
from core.engine.networks.encoder_models import LoadedEncoder
from core.errors import InputError
from core.lab.evaluation import Evaluate, EvaluationRun, FillEvaluation, Mistake
from core.lab.masked_lm import Disguise
from core.tables.columns import Columns, LabelUse
from core.tables.rows import BrokenRow, Row, read_rows

RATE = 0.15
"""Share of the tokens that are hidden where the file says none."""

_NUMBERS = 4
"""For each mask: the wanted entry's rank and −ln p, the likeliest entry and its probability."""


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A text as the model sees it, and what it should find."""

    ids: list[int]
    """Special tokens included."""
    places: list[int]
    """Of the masks."""
    wanted: list[int]
    """Entries of the vocabulary."""


class MaskedWork:
    """A masked language model and the gaps it is to be judged on."""

    note = ""

    def __init__(self, desk: Desk, question: Evaluate, loaded: LoadedEncoder) -> None:
        """Read the file, tokenise it, hide what is to be found.

        Raises:
            EngineError: the file cannot be used.
            StoppedError: the question was cancelled.
        """
        self._loaded = loaded
        self._hidden: list[_Hidden] = []
        wanted, path = Columns(question.text, "", question.label), Path(question.path)
        label = LabelUse.REQUIRED if question.label else LabelUse.OPTIONAL
        table = read_rows(path, wanted, label=label, limit=question.limit)
        if any(self._masks(row.texts[0]) for row in table.rows):
            if not table.columns.label:
                raise InputError(f"no column of {path} names the words behind {MASK}", "say which with --label")
            self.method = f"the file's {MASK} and words"
            table = read_rows(path, wanted, label=label, limit=question.limit, check=self._hide_named)
            self.truncated = 0
        elif question.label:
            raise InputError(f"no text of {path} holds {MASK}", "leave out --label to hide tokens at random")
        else:
            self.method = f"{RATE:.0%} of each text's tokens, drawn with seed {question.seed}"
            table = read_rows(path, wanted, label=LabelUse.NONE, limit=question.limit)
        self.rows, self.broken, self.columns = table.rows, table.broken, table.columns
        if not self._hidden:
            self._hide_drawn(desk, question.seed)
        self.costs = [len(one.ids) for one in self._hidden]
        size = question.batch_size if can_pad(loaded) else 1
        self.batches = split_batches(self.costs, size, encoder_budget(loaded))

    def compute(self, batch: Sequence[int]) -> Values:
        """`_NUMBERS` for each mask of each row."""
        hidden = [self._hidden[index] for index in batch]
        width = max(len(one.ids) for one in hidden)
        chosen = torch.zeros(len(batch), width, dtype=torch.bool)  # (B, T)
        for row, one in enumerate(hidden):
            chosen[row, one.places] = True
        encoded = {
            "input_ids": [one.ids for one in hidden],
            "attention_mask": [[1] * len(one.ids) for one in hidden],
        }
        inputs = padded(self._loaded, encoded, range(len(batch)))
        logits = _logits_at(self._loaded.model, inputs, chosen)  # (M, V)
        wanted = torch.tensor([id_ for one in hidden for id_ in one.wanted])[:, None]  # (M, 1)
        of_wanted = logits.gather(1, wanted)
        best, total = logits.max(1), logits.logsumexp(1)
        check_numbers(total, self._loaded.info.dtype)
        ranks = 1 + (logits > of_wanted).sum(1)
        columns = (ranks, total - of_wanted[:, 0], best.indices, (best.values - total).exp())
        numbers = torch.stack([column.double() for column in columns], 1)  # (M, 4)
        ends = list(accumulate(len(one.wanted) for one in hidden))
        return [numbers[end - len(one.wanted) : end].flatten().tolist() for one, end in zip(hidden, ends, strict=True)]

    def tally(self, batch: Sequence[int], values: Values) -> tuple[int, int]:
        """Masks whose word ranks first, of all."""
        ranks = [rank for item in values for rank in item[::_NUMBERS]]
        return sum(rank == 1 for rank in ranks), len(ranks)

    def conclude(self, values: Values, run: EvaluationRun, mistakes: int) -> FillEvaluation:
        """Judge the guesses."""
        guesses = list(self._guesses(values))
        ranks = [guess.rank for guess in guesses]
        loss = sum(guess.loss for guess in guesses) / len(guesses)
        wrong = sorted((guess for guess in guesses if guess.rank > 1), key=lambda guess: -guess.best_prob)
        return FillEvaluation(
            run=run,
            method=self.method,
            masks=len(guesses),
            accuracy=sum(rank == 1 for rank in ranks) / len(ranks),
            accuracy_at_5=sum(rank <= 5 for rank in ranks) / len(ranks),
            loss=loss,
            pseudo_perplexity=exp_of(loss),
            mistakes=tuple(map(self._mistake, wrong[:mistakes])),
        )

    def predictions(self, values: Values) -> Iterator[tuple[object, ...]]:
        """Line, mask, word, its rank and probability, the likeliest word and its probability."""
        yield ("line", "mask", "word", "rank", "p(word)", "predicted", "p(predicted)")
        for guess in self._guesses(values):
            word, best = (readable_token(self._loaded.tokenizer, id_) for id_ in (guess.wanted, guess.best))
            line = self.rows[guess.row].line
            yield (line, guess.mask + 1, word, guess.rank, exp_of(-guess.loss), best, guess.best_prob)

    # -- hiding -------------------------------------------------------------------------------------------------------

    def _masks(self, text: str) -> int:
        return text.replace(MASK, self._loaded.tokenizer.mask_token).count(self._loaded.tokenizer.mask_token)

    def _hide_named(self, row: Row) -> str:
        """Take a text with masks and the words behind them; says what is wrong with it, or nothing."""
        tokenizer, limit = self._loaded.tokenizer, self._loaded.info.n_positions
        text, words = row.texts[0].replace(MASK, tokenizer.mask_token), row.label.split()
        masks = self._masks(text)
        if masks != len(words):
            return f"{masks} {MASK} and {len(words)} word{'s' * (len(words) != 1)}"
        before = text.split(tokenizer.mask_token)
        wanted = [_entry(tokenizer, word, before[mask]) for mask, word in enumerate(words)]
        if -1 in wanted:
            return f"{words[wanted.index(-1)][:40]!r} is no single entry of the vocabulary"
        ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
        if len(ids) > limit:
            return f"{len(ids)} tokens, the model reads {limit}"
        places = [place for place, id_ in enumerate(ids) if id_ == tokenizer.mask_token_id]
        self._hidden.append(_Hidden(ids, places, wanted))
        return ""

    def _hide_drawn(self, desk: Desk, seed: int) -> None:
        """Hide tokens of every text by chance; each row has a draw of its own, so a longer file begins alike."""
        tokenizer = self._loaded.tokenizer
        encoded, self.truncated = tokenise(desk, self._loaded, [row.texts[0] for row in self.rows])
        special = torch.tensor(sorted(tokenizer.all_special_ids))
        kept, broken = [], list(self.broken)
        for number, (row, ids) in enumerate(zip(self.rows, encoded["input_ids"], strict=True)):
            if number % 1000 == 0:
                breathe(desk)
            truth = torch.tensor(ids)
            disguises = draw_disguises(~torch.isin(truth, special), RATE, _row_seed(seed, row.line))
            places = [place for place, disguise in enumerate(disguises) if disguise is not Disguise.NONE]
            if not places:
                broken.append(BrokenRow(row.line, "the text holds no token that could be hidden"))
                continue
            kept.append(row)
            seen = truth.clone()
            seen[places] = tokenizer.mask_token_id
            self._hidden.append(_Hidden(seen.tolist(), places, truth[places].tolist()))
        if not kept:
            raise InputError("the texts hold no token that could be hidden", "give texts in the model's language")
        self.rows, self.broken = tuple(kept), tuple(sorted(broken, key=lambda row: row.line))

    # -- reading what was found ---------------------------------------------------------------------------------------

    def _guesses(self, values: Values) -> Iterator[_Guess]:
        for row, item in enumerate(values):
            for mask, wanted in enumerate(self._hidden[row].wanted):
                rank, loss, best, prob = item[_NUMBERS * mask : _NUMBERS * (mask + 1)]
                yield _Guess(row, mask, wanted, int(rank), loss, int(best), prob)

    def _mistake(self, guess: _Guess) -> Mistake:
        tokenizer, hidden = self._loaded.tokenizer, self._hidden[guess.row]
        text = _shown(tokenizer, hidden, guess.mask)
        word, best = readable_token(tokenizer, guess.wanted), readable_token(tokenizer, guess.best)
        line = self.rows[guess.row].line
        return Mistake(line, (shorten(text),), word, best, guess.best_prob, exp_of(-guess.loss))


@dataclass(frozen=True, slots=True)
class _Guess:
    """What the model thinks stands behind one mask."""

    row: int
    mask: int
    """Of the row, from 0."""
    wanted: int
    rank: int
    loss: float
    best: int
    best_prob: float


def _logits_at(model: Any, inputs: dict[str, torch.Tensor], chosen: torch.Tensor) -> torch.Tensor:
    """(M, V) logits of the (B, T) places that are chosen, row by row: the head sees no others."""

    def keep_chosen(_: Any, __: Any, output: Any) -> Any:
        states = output.last_hidden_state
        output.last_hidden_state = states[chosen.to(states.device)][None]  # (1, M, D)
        return output

    hook = model.base_model.register_forward_hook(keep_chosen)
    try:
        with torch.inference_mode():
            logits: torch.Tensor = model(**inputs).logits[0].float().cpu()
    finally:
        hook.remove()
    return logits


def _row_seed(seed: int, line: int) -> int:
    """A seed of a row's own, 32 bits as torch's generator takes them on the CPU."""
    return zlib.crc32(f"{seed} {line}".encode())


def _entry(tokenizer: Any, word: str, before: str) -> int:
    """The entry of the vocabulary that a word is in its place, −1 when it is none or several."""
    spaced = (f" {word}", word) if before[-1:].isspace() else (word, f" {word}")
    pieces = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in spaced)
    return next((ids[0] for ids in pieces if len(ids) == 1 and ids[0] != tokenizer.unk_token_id), -1)


def _shown(tokenizer: Any, hidden: _Hidden, mask: int) -> str:
    """The text with one mask in its place; the others hold their words, in brackets."""
    tokens = tokenizer.convert_ids_to_tokens(hidden.ids)
    for number, (place, wanted) in enumerate(zip(hidden.places, hidden.wanted, strict=True)):
        tokens[place] = MASK if number == mask else f"[{readable_token(tokenizer, wanted)}]"
    special = set(tokenizer.all_special_tokens)
    return str(tokenizer.convert_tokens_to_string([token for token in tokens if token not in special or token == MASK]))
