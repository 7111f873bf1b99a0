"""Attention weights of one layer and head, as the model itself computes them.

Source: Vaswani et al. 2017, "Attention is all you need"; the weights are those of transformers' `output_attentions`
with eager attention.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.head import Head
from core.errors import InputError, ModelFormatError
from core.lab.attention import MEAN_OF_HEADS, Attend, AttendedToken, Attention, CompareAttention
from core.messages.records import TokenPiece
from core.text.tokenization import TextTokenizer


def attend(desk: Desk, question: Attend) -> Iterator[Attention]:
    """Read a text and show one layer and head.

    Raises:
        InputError: the text has no tokens, or the model has no such layer or head.
        EngineError: the model cannot be had, or has no attention to show.
    """
    yield _attention(desk, question, 0)


def compare_attention(desk: Desk, question: CompareAttention) -> Iterator[Attention]:
    """Read a text with several models, one after the other.

    Raises:
        EngineError: as `attend`, for the first view that fails.
    """
    for number, view in enumerate(question.views):
        if desk.should_stop():
            return
        yield _attention(desk, view, number)
        desk.between()


def _attention(desk: Desk, question: Attend, view: int) -> Attention:
    loaded = desk.encoder(Head.STATES, question.model)
    if loaded.model.config.is_encoder_decoder:
        raise ModelFormatError(
            f"{loaded.info.name} is an encoder with a decoder, which is not shown here",
            "use starter/bert or starter/gpt2",
        )
    ids, total = _ids(loaded, question)
    layers = _attentions(loaded, ids)
    heads = layers[0].shape[0]
    for name, wanted, count in (("layer", question.layer, len(layers)), ("head", question.head, heads)):
        if wanted > count:
            raise InputError(
                f"{name} must be in [1, {count}] for {loaded.info.name}, got {wanted}", "choose a lower one"
            )
    layer = layers[question.layer - 1]  # (H, T, T)
    weights = layer.mean(0) if question.head == MEAN_OF_HEADS else layer[question.head - 1]
    return Attention(
        view=view,
        model=loaded.info.name,
        layer=question.layer,
        layers=len(layers),
        head=question.head,
        heads=heads,
        causal=_is_causal(loaded),
        tokens=_readable(loaded, question.text, ids),
        weights=tuple(tuple(row) for row in weights.tolist()),
        text_tokens=total,
        kept=len(ids),
    )


def _ids(loaded: LoadedEncoder, question: Attend) -> tuple[list[int], int]:
    """The ids to read, cut where there are too many but with the special token at their end; how many there were."""
    everything: list[int] = loaded.tokenizer(question.text, verbose=False)["input_ids"]
    if not everything:
        raise InputError("the text has no tokens", "write a few words")
    most = min(question.most_tokens, loaded.info.n_positions)
    if len(everything) <= most:
        return everything, len(everything)
    special = loaded.tokenizer.num_special_tokens_to_add()
    if most <= special:
        raise InputError(f"{most} tokens leave no room for a text beside {special} special ones", "allow more tokens")
    ids: list[int] = loaded.tokenizer(question.text, truncation=True, max_length=most, verbose=False)["input_ids"]
    return ids, len(everything)


def _attentions(loaded: LoadedEncoder, ids: list[int]) -> list[Tensor]:
    """The (H, T, T) weights of each layer."""
    with torch.inference_mode():
        found = loaded.model(
            input_ids=torch.tensor([ids], device=loaded.model.device), output_attentions=True
        ).attentions
    layers = [layer[0].float().cpu() for layer in found or () if layer is not None]
    if not layers:
        raise ModelFormatError(f"{loaded.info.name} has no attention to show", "use starter/bert or starter/gpt2")
    return layers


def _is_causal(loaded: LoadedEncoder) -> bool:
    """Whether each token of a model sees only what stands before it, as its layers say themselves."""
    return any(getattr(module, "is_causal", False) is True for module in loaded.model.modules())


def _readable(loaded: LoadedEncoder, text: str, ids: list[int]) -> tuple[AttendedToken, ...]:
    spellings = loaded.tokenizer.convert_ids_to_tokens(ids)
    backend = getattr(loaded.tokenizer, "backend_tokenizer", None)
    if backend is None:  # a tokenizer written in Python
        return tuple(AttendedToken(spelling, spelling) for spelling in spellings)
    backend.no_truncation()
    reader = TextTokenizer(loaded.info.name, backend)
    pieces = reader.pieces(text)
    return tuple(
        AttendedToken(
            spelling,
            _name(pieces[place], text) if place < len(pieces) and pieces[place].id == id_ else reader.token_text(id_),
        )
        for place, (spelling, id_) in enumerate(zip(spellings, ids, strict=True))
    )


def _name(piece: TokenPiece, text: str) -> str:
    if piece.unknown:
        return f"{piece.token} {piece.text}"
    if piece.parts > 1:
        return f"{text[piece.start : piece.end].strip()} {piece.part}/{piece.parts}"
    return piece.token if piece.token.startswith("##") and not piece.special else piece.text


TASKS: Tasks = {Attend: LabTask(attend, Head.STATES), CompareAttention: LabTask(compare_attention)}
