"""A model with a chat template is used as a chat: its own template, its earlier turns, its own end; others continue."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.engine.engine import Engine
from core.engine.generation.prompt_reading import read_in
from core.engine.networks.chat_template import ChatTemplate, read_template
from core.engine.networks.end_tokens import end_ids
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError, ModelFormatError
from core.messages.protocol import (
    Candidates,
    Event,
    Generate,
    Inspect,
    Inspected,
    Load,
    Loaded,
    Next,
    RunStarted,
    SequenceDone,
)
from core.messages.records import ChatMode, Exchange, Target
from core.messages.sampling_params import SamplingParams
from core.text.tokenization import TextTokenizer
from tests.core.chats import EOS, TEMPLATE, make_chat
from tests.loaded import load_causal_folder

EARLIER = (Exchange("Hello", "Hi there"), Exchange("한국어?", "네 [bold] {{ 7 * 7 }}"))
PARAMS = SamplingParams(max_new_tokens=4, seed=1)


@pytest.fixture(scope="module")
def chat_folder(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chat(gpt2_folder, tmp_path_factory.mktemp("chats") / "chat")


@pytest.fixture(scope="module")
def chat(chat_folder: Path) -> LoadedCausal:
    return load_causal_folder(chat_folder)


def run(folder: Path, request: Any) -> list[Event]:
    events: list[Event] = []
    Engine(events.append).handle(request, lambda: False, lambda: None)
    return events


def started(folder: Path, **changes: Any) -> RunStarted:
    request = Generate(Target(str(folder), "cpu", "float32"), "And now?", PARAMS, **changes)
    return next(event for event in run(folder, request) if isinstance(event, RunStarted))


# -- the template -----------------------------------------------------------------------------------------------------


def test_a_chat_is_written_as_transformers_writes_it(chat_folder: Path) -> None:
    from transformers import AutoTokenizer  # seconds, for the tests that need it

    template = read_template("chat", chat_folder)
    assert template is not None
    messages = [
        {"role": role, "content": content}
        for exchange in EARLIER
        for role, content in (("user", exchange.prompt), ("assistant", exchange.answer))
    ]
    messages.append({"role": "user", "content": "And now?"})
    expected = AutoTokenizer.from_pretrained(chat_folder).apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    assert template.render(EARLIER, "And now?") == expected
    assert "{{ 7 * 7 }}" in expected  # what a user writes is no program


def test_the_ids_are_those_of_transformers(chat: LoadedCausal, chat_folder: Path) -> None:
    from transformers import AutoTokenizer  # seconds, for the tests that need it

    encoded: Any = AutoTokenizer.from_pretrained(chat_folder).apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True
    )
    assert read_in(chat, "Hi").ids == encoded["input_ids"]


@pytest.mark.parametrize(
    "value", [TEMPLATE, [{"name": "tool", "template": "x"}, {"name": "default", "template": TEMPLATE}]]
)
def test_a_template_stands_in_the_config_alone_or_among_named_ones(
    gpt2_folder: Path, tmp_path: Path, value: object
) -> None:
    template = read_template("chat", make_chat(gpt2_folder, tmp_path / "chat", value))
    assert template == ChatTemplate("chat", TEMPLATE, dict.fromkeys(("bos_token", "eos_token", "unk_token"), EOS))


def test_a_template_of_its_own_file_goes_before(chat_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chat_folder, tmp_path / "chat"))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}!")
    template = read_template("chat", folder)
    assert template is not None
    assert template.render((), "Hi") == "Hi!"


def test_special_tokens_may_be_written_as_objects(chat_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chat_folder, tmp_path / "chat"))
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token": {"content": "<end>"}, "bos_token": None}))
    template = read_template("chat", folder)
    assert template is not None
    assert template.special_tokens == {"eos_token": "<end>", "unk_token": EOS}


@pytest.mark.parametrize(
    "source",
    [
        "{% for %}",
        "{{ raise_exception('no system turns') }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 1 / 0 }}",
        "{{ nothing.at.all }}",
    ],
    ids=["syntax", "refusal", "escape", "division", "undefined"],
)
def test_a_template_that_fails_is_one_line_with_the_way_out(source: str) -> None:
    with pytest.raises(ModelFormatError, match="the chat template of it cannot be used") as caught:
        ChatTemplate("it", source, {}).render((), "Hi")
    assert "\n" not in str(caught.value)
    assert "--no-chat" in caught.value.hint


@pytest.mark.parametrize("content", ["{", "[" * 100_000])
def test_a_tokenizer_config_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(ModelFormatError, match="the chat template of it cannot be read"):
        read_template("it", tmp_path)


def test_a_base_model_has_none(gpt2_folder: Path, tmp_path: Path) -> None:
    assert read_template("gpt2", gpt2_folder) is None
    assert read_template("nothing", tmp_path) is None


# -- what is read -----------------------------------------------------------------------------------------------------


def test_the_oldest_turns_go_when_there_is_no_room(chat: LoadedCausal) -> None:
    turns = [Exchange(f"Question {number}", "word " * 6) for number in range(6)]
    reading = read_in(chat, "And now?", earlier=turns, new_tokens=20)
    assert reading.is_chat
    assert 0 < reading.earlier_read < len(turns)
    assert len(reading.ids) <= chat.info.n_positions - 20
    kept = turns[len(turns) - reading.earlier_read :]
    assert chat.template is not None
    assert reading.ids == chat.tokenizer.ids(chat.template.render(kept, "And now?"), framed=False)


def test_a_prompt_that_is_too_long_alone_is_left_to_the_usual_refusal(chat: LoadedCausal) -> None:
    reading = read_in(chat, "word " * 100, earlier=EARLIER)
    assert reading.earlier_read == 0
    assert len(reading.ids) > chat.info.n_positions


def test_a_chat_model_continues_when_it_is_told_to(chat: LoadedCausal) -> None:
    assert read_in(chat, "Once", ChatMode.OFF, EARLIER).ids == chat.tokenizer.ids("Once")


def test_a_base_model_reads_no_earlier_turns(loaded_gpt2: LoadedCausal) -> None:
    reading = read_in(loaded_gpt2, "Once", earlier=EARLIER)
    assert (reading.ids, reading.is_chat) == (loaded_gpt2.tokenizer.ids("Once"), False)


def test_a_base_model_refuses_to_chat(loaded_gpt2: LoadedCausal) -> None:
    with pytest.raises(InputError, match="has no chat template: it continues text"):
        read_in(loaded_gpt2, "Once", ChatMode.ON)


# -- the engine -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fixture", "chat"), [("chat_folder", True), ("gpt2_folder", False)])
def test_loading_tells_which_it_is(request: pytest.FixtureRequest, fixture: str, chat: bool) -> None:
    folder = request.getfixturevalue(fixture)
    loaded = run(folder, Load(Target(str(folder), "cpu", "float32")))[-1]
    assert isinstance(loaded, Loaded)
    assert loaded.info.chat is chat


def test_a_run_reads_the_template_and_the_earlier_turns(chat: LoadedCausal, chat_folder: Path) -> None:
    event = started(chat_folder, earlier=EARLIER[:1])
    assert (event.chat, event.earlier_read, event.prompt) == (True, 1, "And now?")
    assert list(event.prompt_ids) == read_in(chat, "And now?", earlier=EARLIER[:1]).ids
    assert list(started(chat_folder, chat=ChatMode.OFF).prompt_ids) == chat.tokenizer.ids("And now?")


def test_an_answer_may_be_begun(chat: LoadedCausal, chat_folder: Path) -> None:
    event = started(chat_folder, begun_ids=(11, 12))
    assert list(event.prompt_ids) == [*read_in(chat, "And now?").ids, 11, 12]
    assert event.chat


def test_exact_ids_are_read_as_they_are(chat_folder: Path) -> None:
    event = started(chat_folder, prompt_ids=(1, 2, 3), earlier=EARLIER)
    assert (event.prompt_ids, event.chat) == ((1, 2, 3), False)


def test_what_may_come_next_comes_after_the_template(chat: LoadedCausal, chat_folder: Path) -> None:
    table = run(chat_folder, Inspect(Target(str(chat_folder), "cpu", "float32"), "Hi", PARAMS))[-1]
    assert isinstance(table, Inspected)
    ahead = run(chat_folder, Next(Target(str(chat_folder), "cpu", "float32"), "Hi", PARAMS, 1))
    first = next(event for event in ahead if isinstance(event, Candidates)).candidates[0]
    assert table.table.context_tokens == len(read_in(chat, "Hi").ids)
    assert table.table.rows[0].id == first.id


def test_a_chat_ends_at_the_end_of_its_turn(chat: LoadedCausal, chat_folder: Path) -> None:
    ids = chat.tokenizer.ids(EOS)
    assert chat.eos_ids == frozenset(ids)
    events = run(chat_folder, Generate(Target(str(chat_folder), "cpu", "float32"), "Hi", PARAMS))
    assert any(isinstance(event, SequenceDone) for event in events)


# -- end tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "generation", "template", "expected"),
    [
        ({"eos_token_id": 5}, None, None, {5}),
        ({"eos_token_id": [5, 6]}, None, None, {5, 6}),
        ({}, None, None, set()),
        ({"eos_token_id": None}, None, None, set()),
        ({"eos_token_id": 5}, {"eos_token_id": [7, 8]}, None, {7, 8}),
        ({"eos_token_id": 5}, {"temperature": 1}, None, {5}),
        ({"eos_token_id": 5}, "broken", None, {5}),
        ({"eos_token_id": True}, None, None, set()),
        ({"eos_token_id": 5}, None, EOS, {5, 50256}),
        ({"eos_token_id": 5}, None, "<no such token>", {5}),
    ],
)
def test_end_tokens_come_from_every_place_that_names_them(
    tmp_path: Path,
    gpt2_tokenizer: TextTokenizer,
    config: dict[str, Any],
    generation: object,
    template: str | None,
    expected: set[int],
) -> None:
    if generation is not None:
        written = generation if isinstance(generation, str) else json.dumps(generation)
        (tmp_path / "generation_config.json").write_text(written)
    chat = None if template is None else ChatTemplate("it", "", {"eos_token": template})
    assert end_ids(config, tmp_path, gpt2_tokenizer, chat) == expected
