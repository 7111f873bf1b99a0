"""WordNet's files and the pairs of sentences that are made with them."""

from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

from tests.training.recipes import train_bert, train_task
from training.glue import Example, Task
from training.measures import load_classifier
from training.tasks import parse_arguments, start_from_encoder, start_from_mean
from training.word_swaps import OPPOSITE, SAME, Swap, reworded, swapped_pairs, swaps_of, words_in
from training.wordnet import WordNet

SENTENCE = "The cat sat on the tall hill."
SWAPS = {"cat": [Swap("beast", SAME), Swap("dog", 0.2)], "tall": [Swap("low", OPPOSITE)]}


def test_the_same_the_wider_the_opposite_and_what_stands_beside(tiny_wordnet: Path) -> None:
    wordnet = WordNet(tiny_wordnet)
    cat = wordnet.related("cat")
    assert cat.same == {"animal", "beast"}  # a wildcat is a person more often, and cold_fish is no single word
    assert cat.beside == {"dog", "bird"}
    assert not cat.opposite
    assert wordnet.related("tall").opposite == {"low"}
    unknown = wordnet.related("hill")
    assert not unknown.same | unknown.opposite | unknown.beside


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"index\.sense"):
        WordNet(tmp_path)


def test_swaps_say_how_likely_the_meaning_stays(
    tiny_wordnet: Path, tiny_encoder: Path, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    swaps = swaps_of({"cat", "dogs", "tall", "he", "hill", "a"}, WordNet(tiny_wordnet), tiny_encoder, bert_tokenizer)
    assert Swap("low", OPPOSITE) in swaps["tall"]
    assert {swap.same for swap in swaps.get("he", ())} <= {OPPOSITE}
    assert {swap.word for swap in swaps["cat"]} <= {"animal", "beast", "dog", "bird"}
    assert all(0 < swap.same < 1 for found in swaps.values() for swap in found)
    assert not {"hill", "a"} & set(swaps)


def test_a_pair_is_as_likely_as_its_worst_swap() -> None:
    pairs = swapped_pairs([SENTENCE] * 50, SWAPS, frozenset(), 0)
    assert {first for pair in pairs for first in pair.texts[:1]} == {SENTENCE}
    for pair in pairs:
        words = words_in(pair.texts[1:])
        expected = OPPOSITE if "low" in words else 0.2 if "dog" in words else SAME
        assert pair.label == expected
        assert expected != SAME or "beast" in words
    assert {pair.label for pair in pairs} == {SAME, OPPOSITE, 0.2}
    assert pairs == swapped_pairs([SENTENCE] * 50, SWAPS, frozenset(), 0)


def test_names_keep_their_words_and_capitals_stay() -> None:
    swaps = {"tom": [Swap("cat", SAME)], "cats": [Swap("beasts", SAME)]}
    pairs = swapped_pairs(["Cats like Tom."] * 20, swaps, frozenset(), 0)
    assert {pair.texts[1] for pair in pairs} == {"Beasts like Tom."}


def test_swapped_pairs_are_no_row_of_a_dev_set() -> None:
    measured = frozenset({Example(("cats run", "beasts run"), 1.0).key})
    assert not swapped_pairs(["cats run"], {"cats": [Swap("beasts", SAME)]}, measured, 0)


def test_reworded_rows_keep_their_first_sentence_and_their_label() -> None:
    rows = [Example(("A dog ran.", SENTENCE), 1.0), Example((SENTENCE, "A hill."), 0.0)]
    (row,) = reworded(rows, SWAPS, 0)  # nothing in the second row has a word of the same meaning
    assert (row.texts[0], row.label) == ("A dog ran.", 1.0)
    assert "beast" in row.texts[1]
    assert not {"dog", "low"} & words_in(row.texts[1:])


def test_a_classifier_starts_from_an_encoder_or_between_two_others(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    train_bert(tiny_data, tiny_encoder, tmp_path, 1)
    train_task(tiny_data, tmp_path, Task.SST2, 1)
    model, other = load_classifier(tmp_path / "mrpc"), load_classifier(tmp_path / "mrpc")
    assert isinstance(model, BertForSequenceClassification)
    start_from_encoder(model, tiny_encoder)
    moved = {name for name, weight in model.state_dict().items() if not torch.equal(weight, other.state_dict()[name])}
    assert moved
    assert not [name for name in moved if "embeddings" in name]
    assert not model.classifier.bias.any()
    folders = [tmp_path / "mrpc", tmp_path / "sst2"]
    start_from_mean(model, folders)
    first, second = (load_classifier(folder).state_dict()["classifier.weight"] for folder in folders)
    assert torch.allclose(model.classifier.weight, (first + second) / 2)
    assert not torch.equal(first, second)


def test_an_encoder_needs_wordnet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--data", "d", "--out", "o", "--minutes", "1", "--only", str(Task.MRPC), "--encoder", "e"])
    assert "--wordnet" in capsys.readouterr().err
