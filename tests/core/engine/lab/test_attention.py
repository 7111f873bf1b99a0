"""Attention: weights equal transformers' `output_attentions`; causal rows see nothing that comes later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.lab.attention import attend, compare_attention
from core.engine.networks.head import Head
from core.errors import InputError, SettingError
from core.lab.attention import MEAN_OF_HEADS, Attend, Attention, CompareAttention
from tests.builders import FAMILIES, EncoderBuilder
from tests.loaded import desk, evaluated

TEXT = "The cat sat on the mat because it was tired."


def look(folder: Path | str, text: str = TEXT, **options: Any) -> Attention:
    """The answer to one question."""
    (answer,) = attend(desk(), Attend(str(folder), text, **options))
    return answer


def reference(folder: Path, text: str = TEXT) -> tuple[torch.Tensor, list[str]]:
    """(L, H, T, T) weights and the tokens, by transformers alone."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = evaluated(AutoModel.from_pretrained(folder, attn_implementation="eager"))
    encoded = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        layers = model(**encoded, output_attentions=True).attentions
    return torch.stack(layers)[:, 0], tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_and_head_of_an_encoder_equals_transformers(build_encoder: EncoderBuilder, family: str) -> None:
    folder = build_encoder(family, Head.STATES)
    expected, tokens = reference(folder)
    for layer in range(expected.shape[0]):
        for head in range(expected.shape[1]):
            answer = look(folder, layer=layer + 1, head=head + 1)
            torch.testing.assert_close(torch.tensor(answer.weights), expected[layer, head], atol=1e-5, rtol=0)
    assert [token.token for token in answer.tokens] == tokens
    assert (answer.layers, answer.heads) == expected.shape[:2]
    assert not answer.causal


@pytest.mark.parametrize("name", ["gpt2_folder", "llama_folder"])
def test_a_causal_model_sees_nothing_that_comes_later(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    expected, _ = reference(folder)
    answer = look(folder, layer=2, head=3)
    weights = torch.tensor(answer.weights)
    torch.testing.assert_close(weights, expected[1, 2], atol=1e-5, rtol=0)
    assert answer.causal
    assert weights.triu(1).count_nonzero() == 0
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)), atol=1e-5, rtol=0)


def test_head_0_is_the_mean_of_the_heads(gpt2_folder: Path) -> None:
    expected, _ = reference(gpt2_folder)
    answer = look(gpt2_folder, layer=1, head=MEAN_OF_HEADS)
    torch.testing.assert_close(torch.tensor(answer.weights), expected[0].mean(0), atol=1e-5, rtol=0)


def test_tokens_that_share_a_character_say_which_part_they_are(
    gpt2_folder: Path, build_encoder: EncoderBuilder
) -> None:
    assert [token.text for token in look(gpt2_folder, "한 [bold] \x1b").tokens] == [
        *("한 1/2", "한 2/2", " [", "bold", "]", " ", "\x1b")
    ]
    bert = look(build_encoder("bert", Head.STATES), "tokenization 🙂 한")
    assert [token.text for token in bert.tokens] == [
        *("[CLS]", "token", "##ization", "[UNK] 🙂", "한 1/3", "한 2/3", "한 3/3", "[SEP]")
    ]


def test_a_long_text_is_cut_but_keeps_its_special_tokens(gpt2_folder: Path, build_encoder: EncoderBuilder) -> None:
    bert = look(build_encoder("bert", Head.STATES), "word " * 100, most_tokens=10)
    assert [token.token for token in bert.tokens] == ["[CLS]", *["word"] * 8, "[SEP]"]
    assert (bert.kept, bert.text_tokens) == (10, 102)
    gpt2 = look(gpt2_folder, "word " * 100, most_tokens=100)
    assert (gpt2.kept, gpt2.text_tokens) == (64, 101)  # its positions


def test_what_cannot_be_shown_is_refused_with_the_range(gpt2_folder: Path) -> None:
    with pytest.raises(InputError, match=r"layer must be in \[1, 2\]"):
        look(gpt2_folder, layer=3)
    with pytest.raises(InputError, match=r"head must be in \[1, 4\]"):
        look(gpt2_folder, head=5)
    with pytest.raises(InputError, match="no tokens"):
        look(gpt2_folder, "")
    with pytest.raises(SettingError, match=r"layer must be in \[1"):
        Attend("starter/bert", TEXT, layer=0)


def test_several_views_are_answered_in_their_order(gpt2_folder: Path, build_encoder: EncoderBuilder) -> None:
    views = (Attend(str(build_encoder("bert", Head.STATES)), TEXT), Attend(str(gpt2_folder), TEXT, 2, 4))
    first, second = compare_attention(desk(), CompareAttention(views))
    assert [(first.view, first.causal), (second.view, second.causal)] == [(0, False), (1, True)]
    assert second.weights == look(gpt2_folder, layer=2, head=4).weights
