"""Filling masks and the masking game: probabilities equal transformers' pipeline, for every family of encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.engine.lab.masked_lm import check_mask, draw_disguises, fill_in, fill_masks, play_masking
from core.engine.lab.students import compare_students
from core.engine.networks.head import Head
from core.engine.shelf import Shelf
from core.errors import InputError, ModelFormatError
from core.lab.masked_lm import Disguise, FilledMasks, FillMasks, MaskingGame, PlayMasking
from core.lab.students import HALF, CompareStudents
from tests.builders import FAMILIES, EncoderBuilder
from tests.loaded import desk

TEXT = "I went to the [MASK] to buy some [MASK]."


def fill(folder: Path | str, text: str = TEXT, **options: Any) -> FilledMasks:
    """The answer to one question."""
    (answer,) = fill_masks(desk(), FillMasks(str(folder), text, **options))
    return answer


@pytest.fixture(scope="module")
def folder(build_encoder: EncoderBuilder) -> Path:
    """A tiny BERT with a masked-LM head."""
    return build_encoder("bert", Head.MASKED_LM)


@pytest.mark.parametrize("family", FAMILIES)
def test_candidates_equal_the_fill_mask_pipeline(build_encoder: EncoderBuilder, family: str) -> None:
    from transformers import pipeline

    folder = build_encoder(family, Head.MASKED_LM)
    expected: Any = pipeline("fill-mask", model=str(folder), top_k=5)(TEXT)
    answer = fill(folder)
    for mask, entries in enumerate(expected):
        found = [candidate for candidate in answer.candidates if candidate.mask == mask]
        assert [candidate.id for candidate in found] == [entry["token"] for entry in entries]
        assert [candidate.prob for candidate in found] == pytest.approx([e["score"] for e in entries], abs=1e-5)


def test_the_starter_equals_the_pipeline() -> None:
    from transformers import pipeline

    from core.models.registry import resolve

    text = "I went to the [MASK] to buy some milk."
    expected: Any = pipeline("fill-mask", model=str(resolve("starter/bert").folder), dtype=torch.float32)(text)
    found = fill("starter/bert", text).candidates
    assert [candidate.token for candidate in found] == [entry["token_str"] for entry in expected]
    assert [candidate.prob for candidate in found] == pytest.approx([e["score"] for e in expected], abs=1e-5)


def test_the_texts_hold_one_filled_mask_each_and_the_best_holds_all(folder: Path) -> None:
    answer = fill(folder)
    assert {candidate.text.count("[MASK]") for candidate in answer.candidates} == {1}
    assert "[MASK]" not in answer.best


def test_one_by_one_gives_the_later_mask_what_was_filled_before() -> None:
    jointly, in_turn = fill("starter/bert"), fill("starter/bert", one_by_one=True)
    first, second = in_turn.order
    assert sorted(in_turn.order) == [0, 1]
    best = next(c for c in in_turn.candidates if c.mask == first)
    refilled = fill("starter/bert", best.text)
    assert [c.prob for c in refilled.candidates] == pytest.approx(
        [c.prob for c in in_turn.candidates if c.mask == second], abs=1e-5
    )
    assert [c for c in in_turn.candidates if c.mask == first] == [c for c in jointly.candidates if c.mask == first]


def test_wanted_words_are_ranked_and_unknown_ones_named(folder: Path) -> None:
    answer = fill(folder, targets=("milk", "우유", "store", "tokenization"))
    assert answer.unknown_targets == ("우유", "tokenization")
    assert {candidate.token for candidate in answer.targets} == {"milk", "store"}
    everything = fill(folder, top=30522).candidates
    for candidate in answer.targets:
        twin = next(c for c in everything if (c.mask, c.id) == (candidate.mask, candidate.id))
        assert twin.prob == candidate.prob
        assert twin.rank == candidate.rank


def test_what_cannot_be_filled_is_refused(folder: Path, classifier_folder: Path) -> None:
    with pytest.raises(InputError, match=r"no \[MASK\]"):
        fill(folder, "nothing hidden")
    with pytest.raises(InputError, match="tokens"):
        fill(folder, "word " * 100 + "[MASK]")
    with pytest.raises(ModelFormatError, match="masked-LM"):
        fill(classifier_folder)


@given(st.lists(st.booleans(), max_size=60), st.floats(0.01, 1.0), st.integers(0, 9))
def test_the_chosen_share_is_the_rate_and_never_a_special_token(maskable: list[bool], rate: float, seed: int) -> None:
    disguises = draw_disguises(torch.tensor(maskable, dtype=torch.bool), rate, seed)
    chosen = [place for place, disguise in enumerate(disguises) if disguise is not Disguise.NONE]
    assert all(maskable[place] for place in chosen)
    assert len(chosen) == (max(1, round(rate * sum(maskable))) if any(maskable) else 0)


def test_eight_of_ten_chosen_tokens_are_masked() -> None:
    disguises = draw_disguises(torch.ones(20_000, dtype=torch.bool), 0.5, 0)
    shares = {kind: disguises.count(kind) / 10_000 for kind in Disguise}
    assert shares[Disguise.MASK] == pytest.approx(0.8, abs=0.02)
    assert shares[Disguise.RANDOM] == pytest.approx(0.1, abs=0.02)
    assert shares[Disguise.KEEP] == pytest.approx(0.1, abs=0.02)


def test_the_game_s_loss_is_transformers_loss_over_the_chosen_tokens(folder: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    (game,) = play_masking(desk(), PlayMasking(str(folder), "the cat sat on the mat and slept all day long", 0.5, 3))
    assert isinstance(game, MaskingGame)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForMaskedLM.from_pretrained(folder)
    ids = tokenizer.convert_tokens_to_ids([token.shown for token in game.tokens])
    truth = tokenizer.convert_tokens_to_ids([token.token for token in game.tokens])
    labels = [t if token.rank else -100 for t, token in zip(truth, game.tokens, strict=True)]
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.item()
    assert game.loss == pytest.approx(expected, abs=1e-5)
    assert game.chosen == round(0.5 * (len(game.tokens) - 2))


def test_the_same_seed_draws_the_same_game(folder: Path) -> None:
    games = [next(play_masking(desk(), PlayMasking(str(folder), "a b c d e f g h", 0.3, seed))) for seed in (1, 1, 2)]
    assert games[0] == games[1] != games[2]


def test_a_wanted_word_of_byte_level_bpe_is_the_entry_with_the_space_that_stands_before_the_mask(
    bpe_folder: Path,
) -> None:
    from transformers import AutoTokenizer

    ids: Any = AutoTokenizer.from_pretrained(bpe_folder).get_vocab()
    spaced, bare = ids["Ġstore"], ids["store"]
    answer = fill(bpe_folder, "I went to the [MASK] (<mask>)", targets=("store",))
    assert [(candidate.mask, candidate.id) for candidate in answer.targets] == [(0, spaced), (1, bare)]
    assert answer.targets[0].text == "I went to the store ([MASK])"
    assert answer.targets[1].text == "I went to the [MASK] (store)"
    assert fill(bpe_folder, "[MASK] milk", targets=("store",)).targets[0].id == bare


@pytest.mark.parametrize(
    ("text", "token", "expected"),
    [
        ("to the <mask> now", "Ġstore", "to the store now"),
        ("to the<mask> now", "Ġstore", "to the store now"),
        ("to the [MASK] now", "i", "to thei now"),
        ("(<mask>)", "store", "(store)"),
        ("<mask> sold milk", "Ġstore", "store sold milk"),
    ],
)
def test_a_filled_sentence_has_the_spaces_of_byte_level_bpe_s_entries(
    bpe_folder: Path, text: str, token: str, expected: str
) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(bpe_folder)
    assert fill_in(tokenizer, text, {0: tokenizer.convert_tokens_to_ids(token)}) == expected


@pytest.mark.parametrize(
    ("text", "token", "expected"),
    [
        ("I Play [MASK] now", "##ing", "I Playing now"),
        ('"[MASK]" and', "store", '"store" and'),
        ("가 [MASK] 나", "store", "가 store 나"),
        ("[MASK] now", "##ing", "ing now"),
    ],
)
def test_a_filled_sentence_keeps_its_own_letters_and_spaces_and_joins_wordpieces(
    folder: Path, text: str, token: str, expected: str
) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    assert fill_in(tokenizer, text, {0: tokenizer.convert_tokens_to_ids(token)}) == expected


@pytest.mark.parametrize("kind", ["folder", "bpe_folder"])
def test_the_best_sentence_is_that_of_the_likeliest_candidate(kind: str, request: pytest.FixtureRequest) -> None:
    for text in ("I went to the [MASK] to buy some milk.", "[MASK] sold", 'the "[MASK]"'):
        answer = fill(request.getfixturevalue(kind), text)
        assert answer.best == answer.candidates[0].text


@pytest.mark.parametrize("kind", ["folder", "bpe_folder"])
def test_a_text_without_a_mask_is_refused_before_the_model_is_loaded(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(request.getfixturevalue(kind))
    monkeypatch.setattr(Shelf, "encoder", lambda *_: pytest.fail("it was loaded"))
    monkeypatch.setattr(Shelf, "halved", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(InputError, match=r"no \[MASK\]"):
        fill(model, "nothing hidden")
    with pytest.raises(InputError, match=r"no \[MASK\]"):
        next(compare_students(desk(), CompareStudents(model, HALF, "nothing hidden")))


def test_a_mask_is_looked_for_in_the_text_where_the_files_do_not_tell_its_spelling(
    build_encoder: EncoderBuilder, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(build_encoder("bert", Head.MASKED_LM), tmp_path / "model"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"mask_token": {"content": "[GAP]"}}))
    check_mask(str(folder), "a [GAP] here")
    with pytest.raises(InputError, match=r"no \[MASK\]"):
        check_mask(str(folder), "a gap here")
    (folder / "tokenizer_config.json").write_text("{")
    check_mask(str(folder), "a gap here")
