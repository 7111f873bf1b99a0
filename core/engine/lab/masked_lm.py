"""Filling masks, and the masking game: both read a text with a masked language model.

Source: Devlin et al. 2019, "BERT", section 3.1; probabilities are those of transformers' fill-mask pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.head import Head
from core.errors import InputError
from core.lab.masked_lm import (
    Disguise,
    FilledMasks,
    FillMasks,
    Guess,
    MaskCandidate,
    MaskingGame,
    PlayedToken,
    PlayMasking,
)
from core.models.registry import resolve

MASK = "[MASK]"

MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1
"""Of the chosen tokens; the rest is kept."""


def fill_masks(desk: Desk, question: FillMasks) -> Iterator[FilledMasks]:
    """Judge what stands behind each mask.

    Raises:
        InputError: there is no mask, or the text is longer than the model can read.
        EngineError: the model cannot be had.
    """
    check_mask(question.model, question.text)
    loaded = desk.encoder(Head.MASKED_LM, question.model)
    tokenizer = loaded.tokenizer
    ids = _masked_ids(loaded, question.text)
    places = [place for place, id_ in enumerate(ids) if id_ == tokenizer.mask_token_id]
    if not places:
        raise no_mask()
    order = list(range(len(places)))
    probabilities = dict(zip(order, _probabilities(loaded, ids, places), strict=True))
    if question.one_by_one:
        probabilities, order = _one_by_one(loaded, list(ids), places)
    candidates = [
        candidate
        for mask in range(len(places))
        for candidate in _best(loaded, question.text, mask, probabilities[mask], question.top)
    ]
    likeliest = {mask: int(probabilities[mask].argmax()) for mask in range(len(places))}
    targets, unknown = _targets(loaded, question, [probabilities[mask] for mask in range(len(places))])
    yield FilledMasks(
        model=loaded.info.name,
        method="one by one, the surest first" if question.one_by_one else "all masks at once",
        candidates=tuple(candidates),
        targets=tuple(targets),
        unknown_targets=tuple(unknown),
        best=fill_in(tokenizer, question.text, likeliest),
        order=tuple(order),
    )


def check_mask(model: str, text: str) -> None:
    """Refuse a text without a mask before a model is loaded, where its files tell how it spells one.

    Raises:
        InputError: there is no mask.
        ModelNotFoundError, ModelFormatError: as `registry.resolve`.
    """
    own = _mask_spelling(resolve(model).folder / "tokenizer_config.json")
    if own and MASK not in text and own not in text:
        raise no_mask()


def no_mask() -> InputError:
    """The error for a text in which nothing is to be found."""
    return InputError(f"there is no {MASK} in the text", f"write {MASK} where a word is to be found")


def _mask_spelling(settings_file: Path) -> str:
    """How a tokenizer spells its mask; empty where its settings do not tell."""
    try:
        token = json.loads(settings_file.read_text(encoding="utf-8"))["mask_token"]
        return str(token["content"] if isinstance(token, dict) else token or "")
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def play_masking(desk: Desk, question: PlayMasking) -> Iterator[MaskingGame]:
    """Hide tokens as in BERT's training and score the model's guesses.

    Raises:
        InputError: the text holds no token to hide.
        EngineError: the model cannot be had.
    """
    loaded = desk.encoder(Head.MASKED_LM, question.model)
    tokenizer, limit = loaded.tokenizer, loaded.info.n_positions
    all_ids = tokenizer(question.text, verbose=False)["input_ids"]
    truth = torch.tensor(tokenizer(question.text, truncation=True, max_length=limit)["input_ids"])  # (T,)
    special = torch.tensor(tokenizer.get_special_tokens_mask(truth.tolist(), already_has_special_tokens=True)).bool()
    disguises = draw_disguises(~special, question.rate, question.seed)
    if not any(disguises):
        raise InputError("the text holds no token to hide", "write a few words")
    shown = _disguised(truth, disguises, loaded, question.seed)
    with torch.inference_mode():
        logits = loaded.model(input_ids=shown[None].to(loaded.model.device)).logits[0].float().cpu()  # (T, V)
    losses = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
    played = []
    for place, disguise in enumerate(disguises):
        token, seen = tokenizer.convert_ids_to_tokens([int(truth[place]), int(shown[place])])
        if disguise is Disguise.NONE:
            played.append(PlayedToken(token, seen, disguise, 0.0, 0.0, 0, ()))
            continue
        row = logits[place].softmax(-1)
        top = row.topk(min(question.top, len(row)))
        guesses = zip(tokenizer.convert_ids_to_tokens(top.indices.tolist()), top.values.tolist(), strict=True)
        rank = 1 + int((logits[place] > logits[place, truth[place]]).sum())
        played.append(
            PlayedToken(
                token,
                seen,
                disguise,
                float(row[truth[place]]),
                float(losses[place]),
                rank,
                tuple(Guess(*guess) for guess in guesses),
            )
        )
    chosen = [token for token in played if token.disguise is not Disguise.NONE]
    yield MaskingGame(
        model=loaded.info.name,
        tokens=tuple(played),
        chosen=len(chosen),
        right=sum(token.rank == 1 for token in chosen),
        loss=sum(token.loss for token in chosen) / len(chosen),
        truncated=len(all_ids) > len(truth),
    )


def draw_disguises(maskable: Tensor, rate: float, seed: int) -> list[Disguise]:
    """Choose tokens and what is done to them: 80 % masked, 10 % replaced, 10 % kept; at least one where possible.

    Args:
        maskable: (T,) true where a token may be chosen.
        rate: the share to choose, 0-1.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(maskable.shape, generator=generator).masked_fill(~maskable, 2.0).argsort()
    count = int(maskable.sum())
    chosen = set(order[: max(1, round(rate * count)) if count else 0].tolist())
    how = torch.rand(maskable.shape, generator=generator).tolist()
    return [_disguise(how[place]) if place in chosen else Disguise.NONE for place in range(len(how))]


def _disguise(draw: float) -> Disguise:
    if draw < MASKED_SHARE:
        return Disguise.MASK
    return Disguise.RANDOM if draw < MASKED_SHARE + RANDOM_SHARE else Disguise.KEEP


def _disguised(truth: Tensor, disguises: Sequence[Disguise], loaded: LoadedEncoder, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    randoms = torch.randint(len(loaded.tokenizer), truth.shape, generator=generator)
    shown = truth.clone()
    for place, disguise in enumerate(disguises):
        if disguise is Disguise.MASK:
            shown[place] = loaded.tokenizer.mask_token_id
        elif disguise is Disguise.RANDOM:
            shown[place] = randoms[place]
    return shown


def _masked_ids(loaded: LoadedEncoder, text: str) -> list[int]:
    """The ids of a text with masks, special tokens included."""
    text = text.replace(MASK, loaded.tokenizer.mask_token)
    ids: list[int] = loaded.tokenizer(text, verbose=False)["input_ids"]
    if len(ids) > loaded.info.n_positions:
        raise InputError(
            f"the text has {len(ids)} tokens, {loaded.info.name} reads {loaded.info.n_positions}",
            "leave out what is far from the masks",
        )
    return ids


def _probabilities(loaded: LoadedEncoder, ids: Sequence[int], places: Sequence[int]) -> Tensor:
    """(masks, V) distributions at some places of a text."""
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([ids], device=loaded.model.device)).logits[0, list(places)]
        softmax: Tensor = logits.float().softmax(-1).cpu()
    return softmax


def _one_by_one(loaded: LoadedEncoder, ids: list[int], places: Sequence[int]) -> tuple[dict[int, Tensor], list[int]]:
    """Fill `ids` mask after mask, the surest first; each mask's distribution when its turn came, and the order."""
    found: dict[int, Tensor] = {}
    open_masks = list(range(len(places)))
    while open_masks:
        rows = _probabilities(loaded, ids, [places[mask] for mask in open_masks])
        surest = int(rows.max(-1).values.argmax())
        mask = open_masks.pop(surest)
        found[mask] = rows[surest]
        ids[places[mask]] = int(rows[surest].argmax())
    return found, list(found)


def _best(loaded: LoadedEncoder, text: str, mask: int, row: Tensor, top: int) -> list[MaskCandidate]:
    best = row.topk(min(top, len(row)))
    return [
        _candidate(loaded, text, mask, rank, id_, prob)
        for rank, (id_, prob) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True), start=1)
    ]


def _targets(
    loaded: LoadedEncoder, question: FillMasks, rows: Sequence[Tensor]
) -> tuple[list[MaskCandidate], list[str]]:
    """The wanted words behind each mask, and those that the vocabulary does not hold in one piece."""
    before_masks = split_at_masks(loaded.tokenizer, question.text)[:-1]
    found, known = [], set()
    for mask, (before, row) in enumerate(zip(before_masks, rows, strict=True)):
        ids = {word: _single_id(loaded.tokenizer, word, before) for word in question.targets}
        known |= {word for word, id_ in ids.items() if id_ is not None}
        for id_ in sorted({id_ for id_ in ids.values() if id_ is not None}, key=lambda id_: -float(row[id_])):
            rank = 1 + int((row > row[id_]).sum())
            found.append(_candidate(loaded, question.text, mask, rank, id_, float(row[id_])))
    return found, [word for word in question.targets if word not in known]


def _single_id(tokenizer: Any, word: str, before: str) -> int | None:
    """The entry that a word is after some text; None where it takes several.

    Byte-level BPE has an entry for a word with the space before it and another one without.
    """
    spaced = f" {word}" if before[-1:].isspace() else word
    ids = tokenizer(spaced, add_special_tokens=False)["input_ids"]
    return ids[0] if len(ids) == 1 and ids[0] != tokenizer.unk_token_id else None


def _candidate(loaded: LoadedEncoder, text: str, mask: int, rank: int, id_: int, prob: float) -> MaskCandidate:
    token = loaded.tokenizer.convert_ids_to_tokens(id_)
    return MaskCandidate(mask, rank, id_, token, prob, fill_in(loaded.tokenizer, text, {mask: id_}))


def split_at_masks(tokenizer: Any, text: str) -> list[str]:
    """What stands before, between and after the masks of a text, however they are spelled."""
    return text.replace(tokenizer.mask_token, MASK).split(MASK)


def fill_in(tokenizer: Any, text: str, ids: Mapping[int, int]) -> str:
    """A text with entries of the vocabulary in the places of some of its masks; the others are left.

    An entry that goes on with the word before it (`##ing`, or one of BPE without its space) is written onto it.

    Args:
        tokenizer: the model's.
        text: holds the masks.
        ids: an entry for each mask to fill, by the mask's number from 0.
    """
    first, *others = split_at_masks(tokenizer, text)
    filled = first
    for mask, after in enumerate(others):
        filled = (_append(tokenizer, filled, ids[mask]) if mask in ids else filled + MASK) + after
    return filled


def _append(tokenizer: Any, before: str, id_: int) -> str:
    """A text and the entry that follows it, put together as the tokenizer would, the text's own spaces kept."""
    anchor = tokenizer("a", add_special_tokens=False)["input_ids"]
    piece = tokenizer.decode([*anchor, id_], clean_up_tokenization_spaces=False)
    piece = piece.removeprefix(tokenizer.decode(anchor, clean_up_tokenization_spaces=False))
    word = piece.strip() or tokenizer.convert_ids_to_tokens(id_)
    if piece[:1].isspace() or not before.strip():
        has_own_space = not before or before[-1].isspace() or not _takes_space(tokenizer)
        return f"{before}{word}" if has_own_space else f"{before} {word}"
    return f"{before.rstrip()}{word}"


def _takes_space(tokenizer: Any) -> bool:
    """Whether the mask stands for the space before it too, as where entries hold their space themselves."""
    mask = tokenizer.added_tokens_decoder.get(tokenizer.mask_token_id)
    return bool(mask is not None and mask.lstrip)


TASKS: Tasks = {FillMasks: LabTask(fill_masks, Head.MASKED_LM), PlayMasking: LabTask(play_masking, Head.MASKED_LM)}
