"""Text to tokens and back, with `tokenizers` alone: what each token is, which bytes it holds, where it came from.

Runs in the interface's process (live, before any model is loaded) and in the engine. Invariants: the bytes of
byte-level tokens join to the UTF-8 of the text; spans are ordered and inside the text; no U+FFFD is ever made up.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer, Encoding, Tokenizer
from tokenizers.decoders import DecodeStream

from core.errors import ModelFormatError
from core.messages.records import TokenPiece
from core.text.normal_forms import nfc_note, normalizer_note
from core.text.visible import visible_bytes


class Scheme(StrEnum):
    """How a tokenizer spells its tokens."""

    BYTE_BPE = "byte-level BPE"
    WORDPIECE = "WordPiece"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SpecialToken:
    """An entry of the vocabulary that stands for no text."""

    id: int
    token: str
    meaning: str


_MEANINGS = {
    "[CLS]": "starts every input; its last state stands for the whole text",
    "[SEP]": "ends a sentence",
    "[PAD]": "fills short rows of a batch",
    "[MASK]": "hides a word for the model to guess",
    "[UNK]": "a word the vocabulary cannot spell",
    "<|endoftext|>": "separates documents; GPT-2 stops at it",
}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte (bytes_to_unicode in OpenAI's encoder.py), reversed."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTE_OF = _byte_alphabet()


class TextTokenizer:
    """A tokenizer and what a person wants to know of its tokens."""

    def __init__(self, name: str, backend: Tokenizer) -> None:
        self.name = name
        self._backend = backend
        self.scheme = _scheme(backend)

    @classmethod
    def from_folder(cls, name: str, folder: Path) -> TextTokenizer:
        """Read a tokenizer from a model folder: `tokenizer.json`, or the older vocabulary files.

        Raises:
            ModelFormatError: there is none, or it cannot be read.
        """
        try:
            return cls(name, _read_backend(folder))
        except FileNotFoundError:
            raise ModelFormatError(
                f"{name} has no tokenizer.json, vocab.txt or vocab.json with merges.txt", "give --tokenizer NAME"
            ) from None
        except Exception as error:  # tokenizers raises plain Exception for every broken file
            raise ModelFormatError(f"the tokenizer of {name} cannot be read: {error}", "download it again") from None

    @property
    def vocab_size(self) -> int:
        """Number of entries, added tokens included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    @cached_property
    def special_tokens(self) -> tuple[SpecialToken, ...]:
        """The special tokens by id."""
        added = sorted(self._backend.get_added_tokens_decoder().items())
        return tuple(
            SpecialToken(token_id, token.content, _MEANINGS.get(token.content, "reserved by the tokenizer"))
            for token_id, token in added
            if token.special
        )

    @cached_property
    def _special_ids(self) -> frozenset[int]:
        return frozenset(special.id for special in self.special_tokens)

    @cached_property
    def _unknown_id(self) -> int | None:
        unknown = getattr(self._backend.model, "unk_token", None)
        return self._backend.token_to_id(unknown) if unknown and self.scheme is not Scheme.BYTE_BPE else None

    def ids(self, text: str, *, framed: bool = True) -> list[int]:
        """Token ids of a text, special tokens included as the model expects them.

        Args:
            text: may have special tokens written out.
            framed: add those that the model expects around a text; a chat template has them already.
        """
        return list(self._backend.encode(text, add_special_tokens=framed).ids)

    def pieces(self, text: str) -> tuple[TokenPiece, ...]:
        """Every token of a text with its spelling, bytes and span."""
        encoding = self._backend.encode(text)
        spans = _ordered_spans(encoding)
        parts = _character_parts(spans)
        rows = zip(encoding.ids, encoding.tokens, spans, parts, strict=True)
        pieces = []
        for index, (token_id, token, (start, end), (part, total)) in enumerate(rows):
            special, unknown = token_id in self._special_ids, token_id == self._unknown_id
            raw = text[start:end].encode() if unknown else self.token_bytes(token_id)
            pieces.append(
                TokenPiece(
                    *(index, token_id, token, visible_bytes(raw), raw.hex(), start, end, special, unknown, part, total)
                )
            )
        return tuple(pieces)

    def notes(self, text: str) -> tuple[str, ...]:
        """What the tokenizer does to the letters of a text that a person may not expect, a line each; mostly none."""
        normalizer = self._backend.normalizer
        found = (
            nfc_note(text, self.ids),
            normalizer_note(text, normalizer.normalize_str) if normalizer else "",
        )
        return tuple(filter(None, found))

    @cached_property
    def entries(self) -> frozenset[str]:
        """Every entry of the vocabulary as it is spelled, added tokens included."""
        return frozenset(self._backend.get_vocab(with_added_tokens=True))

    def words(self, text: str) -> tuple[str, ...]:
        """The words that the tokenizer cuts into tokens: normalized, split at spaces and punctuation as it does.

        Special tokens written out in the text are words of their own.
        """
        names = [special.token for special in self.special_tokens]
        parts = re.split(f"({'|'.join(map(re.escape, names))})", text) if names else [text]
        words: list[str] = []
        for index, part in enumerate(parts):
            if index % 2:
                words.append(part)
                continue
            normalizer, splitter = self._backend.normalizer, self._backend.pre_tokenizer
            normal = normalizer.normalize_str(part) if normalizer else part
            words += [word for word, _ in splitter.pre_tokenize_str(normal)] if splitter else [normal]
        return tuple(word for word in words if word)

    def id_of(self, token: str) -> int | None:
        """The id of a token as the vocabulary spells it; None when it has no such token."""
        found: int | None = self._backend.token_to_id(token)
        return found

    def token(self, token_id: int) -> str:
        """The vocabulary's spelling of an id; an id outside the tokenizer (padding rows of a model) is named so."""
        return self._backend.id_to_token(token_id) or f"<id {token_id}>"

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for; a special token's are those of its name."""
        token = self.token(token_id)
        if token_id in self._special_ids:
            return token.encode()
        match self.scheme:
            case Scheme.BYTE_BPE:
                if all(character in _BYTE_OF for character in token):
                    return bytes(_BYTE_OF[character] for character in token)
                return token.encode()
            case Scheme.WORDPIECE:
                return token.removeprefix("##").encode()
            case Scheme.OTHER:
                if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
                    return bytes.fromhex(token[3:5])
                return token.replace("▁", " ").encode()

    def token_text(self, token_id: int) -> str:
        """A token on its own, readable; bytes that are no whole character appear as `\\xed`."""
        return visible_bytes(self.token_bytes(token_id))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids, special tokens written out."""
        if self.scheme is Scheme.BYTE_BPE:
            return visible_bytes(b"".join(map(self.token_bytes, ids)))
        return self._backend.decode(list(ids), skip_special_tokens=False)

    def stream(self) -> TextStream:
        """A new incremental detokenizer."""
        return TextStream(self, self._backend)

    def is_special(self, token_id: int) -> bool:
        """Whether an id stands for no text."""
        return token_id in self._special_ids


class TextStream:
    """Tokens in, text out, as soon as it is certain; the pieces join to the whole text."""

    def __init__(self, tokenizer: TextTokenizer, backend: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._backend = backend
        self._utf8 = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._waiting: list[int] = []

    def feed(self, token_id: int) -> str:
        """Take one token; return the text that it completes, possibly none. Special tokens give none."""
        if self._tokenizer.is_special(token_id):
            return ""
        if self._tokenizer.scheme is Scheme.BYTE_BPE:
            return self._utf8.decode(self._tokenizer.token_bytes(token_id))
        text = self._decoder.step(self._backend, token_id)
        if text is None:
            self._waiting.append(token_id)
            return ""
        self._waiting.clear()
        return text

    def flush(self) -> str:
        """The rest: bytes still waiting for the end of their character, as `\\xed`."""
        rest = self._utf8.decode(b"", final=True) + "".join(map(self._tokenizer.token_text, self._waiting))
        self._waiting.clear()
        return rest


def _scheme(backend: Tokenizer) -> Scheme:
    schemes = {"ByteLevel": Scheme.BYTE_BPE, "WordPiece": Scheme.WORDPIECE}
    return schemes.get(type(backend.decoder).__name__, Scheme.OTHER)


def _read_backend(folder: Path) -> Tokenizer:
    if (folder / "tokenizer.json").exists():
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
        backend.no_padding()
        backend.no_truncation()
        return backend
    config_file = folder / "tokenizer_config.json"
    config = json.loads(config_file.read_text(encoding="utf-8")) if config_file.exists() else {}
    if (folder / "vocab.txt").exists():
        lowercase = bool(config.get("do_lower_case", True))
        wordpiece = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=lowercase)
        return Tokenizer.from_str(wordpiece.to_str())
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        bpe = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
        bpe.add_special_tokens(["<|endoftext|>"])
        return Tokenizer.from_str(bpe.to_str())
    raise FileNotFoundError(folder)


def _ordered_spans(encoding: Encoding) -> list[tuple[int, int]]:
    """Spans in code points; tokens that the template added sit, empty, where they stand."""
    spans: list[tuple[int, int]] = []
    low = previous_end = 0
    for (start, end), added in zip(encoding.offsets, encoding.special_tokens_mask, strict=True):
        if added:
            start = end = previous_end
        low = max(low, start)
        previous_end = max(end, low)
        spans.append((low, previous_end))
    return spans


def _character_parts(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(part, parts) of each token: overlapping spans are tokens that share a character."""
    parts: list[tuple[int, int]] = []
    group_start = 0
    for index in range(1, len(spans) + 1):
        if index < len(spans) and spans[index][0] < spans[index - 1][1]:
            continue
        size = index - group_start
        parts.extend((position + 1, size) for position in range(size))
        group_start = index
    return parts
