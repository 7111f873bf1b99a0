"""Text to tokens and back: ids, bytes, spans, and the stream that puts characters together again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ModelFormatError
from core.messages.records import TokenPiece
from core.models.registry import STARTER_FOLDER
from core.text.tokenization import Scheme, TextTokenizer, _ordered_spans
from core.text.visible import visible

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
BERT_SENTENCE = "I love natural language processing!"
TEXTS = (
    "Hello world",
    "I love natural language processing!",
    "안녕하세요, 자연어 처리",
    "naïve café 🦊 👩‍👩‍👧",
    "  two  spaces\n\ttabs\r\n",
    "\x00\x1b[31mred\x1b[0m",
    "[/bold] [MASK] <|endoftext|>",
    "a\u0301 \u202eabc \ufeff x",
    "",
)
ANY_TEXT = st.text(max_size=40) | st.sampled_from(TEXTS)


@pytest.fixture(params=["gpt2", "bert"])
def tokenizer(
    request: pytest.FixtureRequest, gpt2_tokenizer: TextTokenizer, bert_tokenizer: TextTokenizer
) -> TextTokenizer:
    return gpt2_tokenizer if request.param == "gpt2" else bert_tokenizer


def test_hello_world_is_15496_995(gpt2_tokenizer: TextTokenizer) -> None:
    assert gpt2_tokenizer.ids("Hello world") == [15496, 995]
    pieces = gpt2_tokenizer.pieces("Hello world")
    assert [piece.token for piece in pieces] == ["Hello", "Ġworld"]
    assert [piece.text for piece in pieces] == ["Hello", " world"]
    assert [piece.bytes for piece in pieces] == [b"Hello".hex(), b" world".hex()]
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 5), (5, 11)]


def test_the_courses_sentence_has_berts_ids_and_decodes_with_its_marks(bert_tokenizer: TextTokenizer) -> None:
    ids = bert_tokenizer.ids(BERT_SENTENCE)
    assert ids == [101, 1045, 2293, 3019, 2653, 6364, 999, 102]
    assert bert_tokenizer.decode(ids) == "[CLS] i love natural language processing! [SEP]"
    pieces = bert_tokenizer.pieces(BERT_SENTENCE)
    assert [piece.special for piece in pieces] == [True, *[False] * 6, True]
    words = [BERT_SENTENCE[piece.start : piece.end] for piece in pieces]
    assert words == ["", "I", "love", "natural", "language", "processing", "!", ""]


def test_special_tokens_are_listed_with_their_ids(gpt2_tokenizer: TextTokenizer, bert_tokenizer: TextTokenizer) -> None:
    specials = {special.token: special.id for special in bert_tokenizer.special_tokens}
    assert specials == {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
    assert [(special.token, special.id) for special in gpt2_tokenizer.special_tokens] == [("<|endoftext|>", 50256)]
    assert all(special.meaning for special in (*bert_tokenizer.special_tokens, *gpt2_tokenizer.special_tokens))
    assert bert_tokenizer.is_special(101)
    assert not bert_tokenizer.is_special(1045)


def test_the_two_schemes_are_told_apart(gpt2_tokenizer: TextTokenizer, bert_tokenizer: TextTokenizer) -> None:
    assert (gpt2_tokenizer.scheme, gpt2_tokenizer.vocab_size) == (Scheme.BYTE_BPE, 50257)
    assert (bert_tokenizer.scheme, bert_tokenizer.vocab_size) == (Scheme.WORDPIECE, 30522)


def test_wordpiece_continuations_stand_for_their_letters_alone(bert_tokenizer: TextTokenizer) -> None:
    pieces = bert_tokenizer.pieces("tokenization")[1:-1]
    assert [piece.token for piece in pieces] == ["token", "##ization"]
    assert [piece.text for piece in pieces] == ["token", "ization"]
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 5), (5, 12)]


def test_a_word_that_wordpiece_cannot_spell_is_unknown_but_keeps_its_text(bert_tokenizer: TextTokenizer) -> None:
    unknown = [piece for piece in bert_tokenizer.pieces("a 🦊 b") if piece.unknown]
    assert [(piece.token, piece.text) for piece in unknown] == [("[UNK]", "🦊")]
    assert bytes.fromhex(unknown[0].bytes).decode() == "🦊"


def test_the_name_of_a_special_token_in_the_text_is_that_token(
    gpt2_tokenizer: TextTokenizer, bert_tokenizer: TextTokenizer
) -> None:
    assert gpt2_tokenizer.pieces("a<|endoftext|>")[1].special
    assert [piece.id for piece in bert_tokenizer.pieces("[MASK]")] == [101, 103, 102]


def assert_well_formed(pieces: tuple[TokenPiece, ...], text: str) -> None:
    """What holds for every tokenizer: order, spans inside the text, parts that count up, no made-up U+FFFD."""
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    starts = [piece.start for piece in pieces]
    assert starts == sorted(starts)
    ends = [piece.end for piece in pieces]
    assert ends == sorted(ends)
    assert all(0 <= piece.start <= piece.end <= len(text) for piece in pieces)
    assert all(1 <= piece.part <= piece.parts for piece in pieces)
    assert REPLACEMENT not in visible("".join(piece.text for piece in pieces))
    if REPLACEMENT not in text:
        assert all(REPLACEMENT not in piece.text for piece in pieces)


@given(text=ANY_TEXT)
def test_gpt2s_bytes_join_to_the_utf8_of_any_text(text: str, gpt2_tokenizer: TextTokenizer) -> None:
    pieces = gpt2_tokenizer.pieces(text)
    assert b"".join(bytes.fromhex(piece.bytes) for piece in pieces) == text.encode()
    assert [piece.id for piece in pieces] == gpt2_tokenizer.ids(text)
    assert gpt2_tokenizer.decode(piece.id for piece in pieces) == text
    assert_well_formed(pieces, text)


@given(text=ANY_TEXT)
def test_gpt2s_spans_cover_any_text_without_a_gap(text: str, gpt2_tokenizer: TextTokenizer) -> None:
    covered = 0
    for piece in gpt2_tokenizer.pieces(text):
        assert piece.start <= covered
        covered = max(covered, piece.end)
    assert covered == len(text)


@given(text=ANY_TEXT)
def test_wordpiece_spans_are_ordered_and_inside_any_text(text: str, bert_tokenizer: TextTokenizer) -> None:
    pieces = bert_tokenizer.pieces(text)
    assert_well_formed(pieces, text)
    assert (pieces[0].id, pieces[-1].id) == (101, 102)
    for piece in pieces:
        if piece.unknown:
            assert piece.text == text[piece.start : piece.end]
    assert REPLACEMENT not in visible(bert_tokenizer.decode(piece.id for piece in pieces))


def test_a_character_of_several_tokens_counts_its_parts(gpt2_tokenizer: TextTokenizer) -> None:
    pieces = gpt2_tokenizer.pieces("x🦊y")
    fox = [piece for piece in pieces if (piece.start, piece.end) == (1, 2)]
    assert len(fox) > 1
    assert [(piece.part, piece.parts) for piece in fox] == [(number, len(fox)) for number in range(1, len(fox) + 1)]
    assert b"".join(bytes.fromhex(piece.bytes) for piece in fox).decode() == "🦊"
    assert all(piece.text.startswith("\\x") for piece in fox)
    assert {(piece.part, piece.parts) for piece in pieces if piece not in fox} == {(1, 1)}


def test_spans_that_run_backwards_are_put_in_order() -> None:
    encoding: Any = SimpleNamespace(offsets=[(3, 5), (1, 2), (0, 0), (5, 7)], special_tokens_mask=[0, 0, 1, 0])
    assert _ordered_spans(encoding) == [(3, 5), (3, 3), (3, 3), (5, 7)]


def test_ordinary_words_are_one_part_each(tokenizer: TextTokenizer) -> None:
    assert {(piece.part, piece.parts) for piece in tokenizer.pieces("the cat sat, unbelievably")} == {(1, 1)}


@given(token_id=st.integers(0, 50400))
def test_every_id_has_a_spelling_and_a_text(token_id: int, gpt2_tokenizer: TextTokenizer) -> None:
    assert gpt2_tokenizer.token(token_id)
    assert gpt2_tokenizer.token_bytes(token_id)
    assert REPLACEMENT not in gpt2_tokenizer.token_text(token_id)


def test_an_id_beyond_the_tokenizer_is_named_so(gpt2_tokenizer: TextTokenizer) -> None:
    assert gpt2_tokenizer.token(50300) == "<id 50300>"
    assert gpt2_tokenizer.token_bytes(50300) == b"<id 50300>"


def streamed(tokenizer: TextTokenizer, ids: list[int]) -> str:
    stream = tokenizer.stream()
    return "".join([*map(stream.feed, ids), stream.flush()])


@given(text=ANY_TEXT)
def test_a_gpt2_stream_joins_to_any_text(text: str, gpt2_tokenizer: TextTokenizer) -> None:
    ids = gpt2_tokenizer.ids(text)
    assert streamed(gpt2_tokenizer, ids) == text.replace("<|endoftext|>", "")


@given(ids=st.lists(st.integers(0, 50256), max_size=15))
def test_a_stream_of_any_ids_never_makes_a_replacement_character_up(
    ids: list[int], gpt2_tokenizer: TextTokenizer
) -> None:
    expected = b"".join(gpt2_tokenizer.token_bytes(token_id) for token_id in ids if token_id != 50256)
    assert streamed(gpt2_tokenizer, ids) == expected.decode("utf-8", "backslashreplace")


def test_a_stream_gives_each_character_as_soon_as_it_is_whole(gpt2_tokenizer: TextTokenizer) -> None:
    ids = gpt2_tokenizer.ids("한글")
    stream = gpt2_tokenizer.stream()
    shown = ""
    for position, token_id in enumerate(ids, start=1):
        shown += stream.feed(token_id)
        so_far = b"".join(map(gpt2_tokenizer.token_bytes, ids[:position]))
        assert shown == so_far.decode("utf-8", "ignore")
    assert shown == "한글"


@given(words=st.lists(st.sampled_from(["love", "language", "tokenization", "cat", "!", "b"]), max_size=8))
def test_a_wordpiece_stream_joins_to_the_decoded_text(words: list[str], bert_tokenizer: TextTokenizer) -> None:
    ids = bert_tokenizer.ids(" ".join(words))[1:-1]
    assert streamed(bert_tokenizer, ids) == bert_tokenizer.decode(ids)


def test_a_sentencepiece_model_with_byte_tokens_streams_whole_characters(tmp_path: Path) -> None:
    tokenizer = TextTokenizer.from_folder("byte fallback", byte_fallback_folder(tmp_path))
    assert tokenizer.scheme is Scheme.OTHER
    ids = tokenizer.ids("hi 🦊")
    assert b"".join(map(tokenizer.token_bytes, ids)).strip() == "hi 🦊".encode()
    assert streamed(tokenizer, ids).strip() == "hi 🦊"
    assert REPLACEMENT not in streamed(tokenizer, ids[:-1])
    assert_well_formed(tokenizer.pieces("hi 🦊"), "hi 🦊")


def byte_fallback_folder(folder: Path) -> Path:
    """A tokenizer spelled like Llama's: `▁` for spaces, one token a byte for what it has no word for."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    words = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "h", "i", "hi", "▁hi"]
    vocabulary = {word: index for index, word in enumerate(words)}
    merges = [("h", "i"), ("▁", "hi")]
    backend = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.save(str(folder / "tokenizer.json"))
    return folder


def test_a_folder_with_vocab_txt_gives_the_same_ids(bert_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    vocabulary = json.loads((STARTER_FOLDER / "bert" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    old = TextTokenizer.from_folder("old", tmp_path)
    assert old.scheme is Scheme.WORDPIECE
    for text in TEXTS:
        assert old.pieces(text) == bert_tokenizer.pieces(text)
    assert old.special_tokens == bert_tokenizer.special_tokens


def test_a_cased_vocab_txt_keeps_capitals(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Hello", "hello"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    assert TextTokenizer.from_folder("cased", tmp_path).ids("Hello hello") == [2, 5, 6, 3]


def test_a_folder_with_vocab_json_and_merges_gives_the_same_ids(gpt2_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    model = json.loads((STARTER_FOLDER / "gpt2" / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = "\n".join(merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    old = TextTokenizer.from_folder("old", tmp_path)
    for text in TEXTS:
        assert old.pieces(text) == gpt2_tokenizer.pieces(text)
    assert old.special_tokens == gpt2_tokenizer.special_tokens


def test_padding_and_truncation_in_the_file_are_not_applied(tmp_path: Path) -> None:
    settings = json.loads((STARTER_FOLDER / "bert" / "tokenizer.json").read_text(encoding="utf-8"))
    settings["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    settings["padding"] = {
        "strategy": {"Fixed": 12},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings), encoding="utf-8")
    assert len(TextTokenizer.from_folder("limited", tmp_path).ids(BERT_SENTENCE)) == 8


BROKEN: dict[str, Callable[[Path], object]] = {
    "not JSON": lambda folder: (folder / "tokenizer.json").write_text("{", encoding="utf-8"),
    "another JSON": lambda folder: (folder / "tokenizer.json").write_text('{"a": 1}', encoding="utf-8"),
    "binary": lambda folder: (folder / "tokenizer.json").write_bytes(b"\xff\x00\xfe"),
    "a folder": lambda folder: (folder / "tokenizer.json").mkdir(),
    "a broken settings file": lambda folder: (
        (folder / "vocab.txt").write_text("[UNK]\n"),
        (folder / "tokenizer_config.json").write_text("{"),
    ),
    "a vocabulary without merges": lambda folder: (folder / "vocab.json").write_text("{}"),
    "nothing": lambda folder: None,
}


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_tokenizer_is_a_format_error(break_it: Callable[[Path], object], tmp_path: Path) -> None:
    break_it(tmp_path)
    with pytest.raises(ModelFormatError, match="tokenizer") as caught:
        TextTokenizer.from_folder("broken", tmp_path)
    assert "\n" not in str(caught.value)


def test_tokenizer_json_wins_over_the_older_files(tmp_path: Path) -> None:
    shutil.copyfile(STARTER_FOLDER / "gpt2" / "tokenizer.json", tmp_path / "tokenizer.json")
    (tmp_path / "vocab.txt").write_text("[UNK]\n", encoding="utf-8")
    assert TextTokenizer.from_folder("both", tmp_path).ids("Hello world") == [15496, 995]
