"""Word embeddings of a trained BERT as a first guess for GPT-2's.

Both vocabularies are English, so most GPT-2 entries have a WordPiece of the same letters or a few
that spell it; their rows, turned to GPT-2's width along their principal axes, say which words are
alike before anything is learned. Case is lost in this. Invariant: rows without a counterpart keep
their random values.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertModel, GPT2LMHeadModel, PreTrainedTokenizerBase

from training.measures import load_tokenizer

LONGEST_SPELLING = 3
BORROWED_SHARE = 0.7


def spell(entry: str, tokenizer: PreTrainedTokenizerBase, vocabulary: Mapping[str, int]) -> list[int]:
    """Return the WordPieces that stand for a GPT-2 entry, none if it has no counterpart.

    Args:
        entry: The entry's text, a leading space or capital marking the start of a word.
        tokenizer: The BERT tokenizer.
        vocabulary: Its ids by WordPiece.

    Returns:
        One id, or up to three whose mean is to be taken, or none.
    """
    word = entry.strip().lower()
    starts_word = entry[:1] == " " or entry[:1].isupper() or not word.isalnum()
    whole = word if starts_word else f"##{word}"
    for piece in (whole, word):
        if piece in vocabulary:
            return [vocabulary[piece]]
    pieces: list[int] = tokenizer.encode(word, add_special_tokens=False) if word.isalpha() else []
    return pieces if len(pieces) <= LONGEST_SPELLING else []


def principal_coordinates(rows: Tensor, width: int) -> Tensor:
    """Return centred rows along their first `width` principal axes, scaled to unit deviation."""
    centred = rows - rows.mean(0)
    torch.manual_seed(0)
    axes = torch.pca_lowrank(centred, width, center=False, niter=4)[2]  # (D, width)
    coordinates = centred @ axes
    return coordinates / coordinates.std()


@torch.no_grad()
def borrow_embeddings(
    model: GPT2LMHeadModel, entries: Tensor, tokenizer: PreTrainedTokenizerBase, encoder: Path
) -> int:
    """Mix a BERT's word embeddings into an untrained GPT-2's.

    Args:
        model: The model, over compact ids; its embedding is changed.
        entries: GPT-2 vocabulary ids by compact id.
        tokenizer: The GPT-2 tokenizer.
        encoder: Folder of the BERT and its tokenizer.

    Returns:
        How many rows were borrowed.
    """
    bert: BertModel = BertModel.from_pretrained(encoder, dtype=torch.float32)
    word_pieces = load_tokenizer(encoder)
    vocabulary = word_pieces.get_vocab()
    texts = tokenizer.batch_decode(entries[:, None])
    spellings = [spell(str(text), word_pieces, vocabulary) for text in texts]
    found = [index for index, pieces in enumerate(spellings) if pieces]
    table = bert.embeddings.word_embeddings.weight
    rows = torch.stack([table[spellings[index]].mean(0) for index in found])
    own = model.transformer.wte.weight
    borrowed = own.std() * principal_coordinates(rows, own.shape[1])
    own[found] = BORROWED_SHARE * (borrowed + own[found])
    return len(found)
