"""Zero- and few-shot: answers' log-probabilities equal transformers' over the full sequence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.engine.lab.few_shot import answer_text, score_answers
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError, PromptTooLongError, SettingError
from core.lab.few_shot import Example, ScoreAnswers, ScoredAnswers, build_prompt, parse_example
from core.text.tokenization import TextTokenizer
from tests.core.scripted import counting
from tests.loaded import desk, evaluated

PROMPT = "Opposites.\nbig => small\nhot =>"
ANSWERS = ("cold", "a very long way down", "차가운 🙂", "cold water")


def score(folder: Path | str, prompt: str = PROMPT, answers: tuple[str, ...] = ANSWERS) -> ScoredAnswers:
    """The answer to one question."""
    (answer,) = score_answers(desk(), ScoreAnswers(str(folder), prompt, answers))
    return answer


@pytest.mark.parametrize("name", ["gpt2_folder", "llama_folder"])
@pytest.mark.parametrize("prompt", [PROMPT, f"{PROMPT} ", f"{PROMPT}\n", "a"])
def test_logprobs_equal_those_of_the_full_sequence(name: str, prompt: str, request: pytest.FixtureRequest) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = request.getfixturevalue(name)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = evaluated(AutoModelForCausalLM.from_pretrained(folder))
    for answer in score(folder, prompt).answers:
        whole = prompt.removesuffix(" ") + answer.read
        ids = tokenizer(whole, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            expected = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        count = len(answer.tokens)
        assert [token.id for token in answer.tokens] == ids[0, -count:].tolist()
        assert [token.logprob for token in answer.tokens] == pytest.approx(expected[-count:].tolist(), abs=2e-5)
        assert tokenizer.decode(ids[0, -count:]) == answer.read


def test_sums_means_and_shares_follow_from_the_tokens(gpt2_folder: Path) -> None:
    answers = score(gpt2_folder).answers
    assert [answer.answer for answer in answers] == list(ANSWERS)
    for answer in answers:
        logprobs = [token.logprob for token in answer.tokens]
        assert answer.sum == pytest.approx(sum(logprobs))
        assert answer.mean == pytest.approx(sum(logprobs) / len(logprobs))
        assert answer.prob == pytest.approx(math.exp(answer.sum) / sum(math.exp(other.sum) for other in answers))
    assert sum(answer.prob_per_token for answer in answers) == pytest.approx(1)
    assert max(answers, key=lambda answer: answer.sum).best
    assert max(answers, key=lambda answer: answer.mean).best_per_token
    assert sum(answer.best for answer in answers) == sum(answer.best_per_token for answer in answers) == 1


def test_a_long_answer_can_win_by_token_and_lose_as_a_whole() -> None:
    short, long = score("starter/gpt2", "big => small\nhot => cold\nup =>", ("down", "a very long way down")).answers
    assert short.best
    assert long.best_per_token


def test_the_starter_tells_happy_from_sad_without_training() -> None:
    for query, expected in (("The boy fell and cried.", "sad"), ("She hugged her mom and smiled.", "happy")):
        prompt = build_prompt("Is the child happy or sad?", (), query)
        assert [answer.answer for answer in score("starter/gpt2", prompt, ("happy", "sad")).answers if answer.best] == [
            expected
        ]


def test_the_prompt_is_read_once_for_all_answers(loaded_gpt2: LoadedCausal, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, model = counting(loaded_gpt2)
    monkeypatch.setattr("core.engine.lab.desk.Desk.causal", lambda self, name: loaded)
    (answer,) = score_answers(desk(), ScoreAnswers("counted", PROMPT, ANSWERS))
    lengths = [len(scored.tokens) for scored in answer.answers]
    assert [length for _, length in model.shapes] == [answer.prompt_tokens - 1, *lengths]


@given(st.sampled_from(["", " ", "\n"]), st.from_regex(r"[a-z가-힣]{1,6}( [a-z가-힣]{1,6}){0,2}", fullmatch=True))
def test_tokens_of_prompt_and_answer_are_those_of_the_whole(
    gpt2_tokenizer: TextTokenizer, end: str, answer: str
) -> None:
    prompt = f"hot =>{end}"
    kept = prompt.removesuffix(" ")
    read = answer_text(prompt, answer)
    assert read == (answer if end == "\n" else f" {answer}")
    whole = gpt2_tokenizer.ids(kept + read)
    assert whole[: len(gpt2_tokenizer.ids(kept))] == gpt2_tokenizer.ids(kept)


def test_a_prompt_is_task_examples_and_query() -> None:
    examples = (parse_example("big => small"), parse_example(" a => b => c "))
    assert examples == (Example("big", "small"), Example("a => b", "c"))
    assert build_prompt("Opposites.", examples, "hot") == "Opposites.\nbig => small\na => b => c\nhot =>"
    assert build_prompt("", (), "hot") == "hot =>"
    review = "Review: {input}\nMood: {output}"
    assert build_prompt("", examples[:1], "{output} 한국어", review) == (
        "Review: big\nMood: small\nReview: {output} 한국어\nMood:"
    )


def test_what_cannot_be_scored_is_refused(gpt2_folder: Path) -> None:
    with pytest.raises(InputError, match="not of the form"):
        parse_example("big, small")
    with pytest.raises(InputError, match="query is empty"):
        build_prompt("task", (), " ")
    with pytest.raises(InputError, match="template"):
        build_prompt("task", (), "hot", "{output} {input}")
    with pytest.raises(InputError, match="prompt is empty"):
        score(gpt2_folder, " ")
    with pytest.raises(SettingError, match="none of them empty"):
        ScoreAnswers("starter/gpt2", PROMPT, ("yes", " "))
    with pytest.raises(PromptTooLongError, match="64"):
        score(gpt2_folder, "word " * 80)
