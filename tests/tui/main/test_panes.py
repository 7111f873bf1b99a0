"""The panes by keyboard: tokens as they are typed, sampling fields, similarity, help, folding."""

from __future__ import annotations

import unicodedata

import pytest
from textual import events
from textual.widgets import Input, OptionList, Static

from core.messages.protocol import Compare, Load
from core.messages.records import Target
from core.messages.sampling_params import PRESETS
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine, answer_comparison
from tui.main.panes.tokens import Breakdown
from tui.widgets.dialogs import HelpDialog


def text_of(running: Running, selector: str) -> str:
    return str(running.screen.query_one(selector, Static).content)


async def tokenizers_read(running: Running) -> None:
    await running.until(lambda: "[MASK]" in text_of(running, "#special-tokens"))


@pytest.mark.smoke
async def test_tokens_follow_the_typing_in_both_tokenizers(launch: Launch) -> None:
    async with launch() as running:
        await tokenizers_read(running)
        await running.type("Hello world")
        generator, wordpiece = running.screen.tokens.generator_view, running.screen.tokens.wordpiece_view
        await running.until(lambda: [piece.id for piece in generator.pieces] == [15496, 995])
        assert [piece.id for piece in wordpiece.pieces] == [101, 7592, 2088, 102]
        assert text_of(running, "#generator-heading") == "2 tokens · starter/gpt2 byte-level BPE"
        assert "11 characters, 11 bytes" in str(running.screen.tokens.border_title)


async def test_the_first_prompt_is_broken_down_without_typing(launch: Launch) -> None:
    async with launch(prompt="Hello world") as running:
        await running.until(lambda: len(running.screen.tokens.generator_view.pieces) == 2)


async def test_arrow_keys_walk_the_tokens_and_say_everything_about_one(launch: Launch) -> None:
    async with launch(prompt="Hello world") as running:
        await tokenizers_read(running)
        await running.pilot.press("f3", "right")
        await running.until(lambda: "id 995" in text_of(running, "#token-detail"))
        assert "leading space" in text_of(running, "#token-detail")
        assert "bytes 20 77 6f 72 6c 64" in text_of(running, "#token-detail")


async def test_s_switches_views_down_to_the_special_tokens_with_their_ids(launch: Launch) -> None:
    async with launch() as running:
        await tokenizers_read(running)
        await running.pilot.press("f3", "s", "s", "s")
        assert running.screen.tokens.breakdown is Breakdown.SPECIAL
        table = text_of(running, "#special-tokens")
        for row in ("[CLS]            101", "[SEP]            102", "[PAD]              0", "[MASK]           103"):
            assert row in table


async def test_every_part_of_a_korean_character_names_it(launch: Launch) -> None:
    async with launch(prompt="국", size=(120, 40)) as running:
        await tokenizers_read(running)
        row = running.screen.tokens.generator_view.render_line(0).text
        assert row.split() == ["국", "1/3", "국", "2/3", "국", "3/3"]


async def test_a_paste_of_100_kilobytes_is_broken_down_without_holding_up_the_keyboard(launch: Launch) -> None:
    async with launch() as running:
        await tokenizers_read(running)
        running.screen.prompt.text = "hello world " * 8_500
        await running.type("x")
        assert running.screen.prompt.text.count("x") == 1
        await running.until(lambda: len(running.screen.tokens.generator_view.pieces) > 10_000)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("top_p", "1.7", "top_p must be in (0, 1], got 1.7"),
        ("min_p", "much", "min_p must be a number"),
        ("seed", "abc", "seed must be a whole number"),
        ("top_k", "", "top_k must be a number"),
    ],
)
async def test_a_value_out_of_range_is_refused_at_its_field_and_the_last_good_one_stays(
    launch: Launch, field: str, value: str, message: str
) -> None:
    async with launch() as running:
        sampling = running.screen.sampling
        before = sampling.params
        box = sampling.query_one(f"#setting-{field}", Input)
        box.value = value
        await running.until(lambda: message in text_of(running, "#sampling-error"))
        assert box.has_class("-error")
        assert sampling.params == before
        box.value = "1"
        await running.until(lambda: not box.has_class("-error"))
        assert text_of(running, "#sampling-error") == ""


@pytest.mark.smoke
async def test_up_and_down_change_a_setting_in_place(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("f4", "up", "up", "down")
        await running.until(lambda: running.screen.sampling.params.temperature == 0.9)


async def test_presets_set_the_samplers_and_leave_the_rest(launch: Launch) -> None:
    async with launch() as running:
        sampling = running.screen.sampling
        sampling.query_one("#setting-max_new_tokens", Input).value = "1234567"
        await running.until(lambda: sampling.params.max_new_tokens == 1_234_567)
        await running.pilot.click("#preset-creative")
        await running.until(lambda: sampling.params.temperature == PRESETS["creative"].temperature)
        assert sampling.params.max_new_tokens == 1_234_567
        assert sampling.query_one("#setting-temperature", Input).value == "1.2"
        await running.pilot.click("#preset-greedy")
        await running.until(lambda: sampling.params.greedy)
        for name in ("top_k", "seed", "num_return_sequences"):
            assert sampling.query_one(f"#label-{name}").has_class("-inert")
            assert text_of(running, f"#hint-{name}") == "greedy: no effect"
        assert text_of(running, "#hint-repetition_penalty") == "1 off"
        assert text_of(running, "#sampling-error").startswith("greedy: nothing is drawn")
        await running.pilot.click("#preset-balanced")
        sampling.query_one("#setting-num_beams", Input).value = "4"
        await running.until(lambda: text_of(running, "#hint-temperature") == "beams: no effect")
        assert text_of(running, "#hint-num_return_sequences") == "side by side"


async def test_joiners_can_be_typed_into_every_field(launch: Launch) -> None:
    async with launch() as running:

        async def type_all(text: str) -> None:
            for character in text:  # as a terminal's input is read; a pilot's keys have no such character
                running.app.post_message(events.Key(unicodedata.name(character).lower(), character))
                await running.pilot.pause()

        await type_all("m\u200cx\u200dy")
        await running.until(lambda: running.screen.prompt.text == "m\u200cx\u200dy")
        await running.pilot.press("f7")
        running.screen.candidates.search.focus()
        await type_all("a\u200cb")
        await running.until(lambda: running.screen.candidates.search.value == "a\u200cb")


async def test_stop_strings_are_split_at_bars_and_know_line_ends(launch: Launch) -> None:
    async with launch() as running:
        running.screen.sampling.query_one("#setting-stop_strings", Input).value = "END | \\n"
        await running.until(lambda: running.screen.sampling.params.stop_strings == ("END", "\n"))


@pytest.mark.smoke
async def test_two_sentences_are_compared_with_enter(launch: Launch) -> None:
    engine = FakeEngine()
    engine.script = answer_comparison
    async with launch(engine=engine) as running:
        await running.pilot.press("f5")
        await running.type("I love pizza")
        await running.pilot.press("enter")
        assert "both sentences" in text_of(running, "#similarity-answer")
        assert running.screen.focused is running.screen.similarity.second
        await running.type("pizza")
        await running.pilot.press("enter")
        await running.until(lambda: "similar 75.0%" in text_of(running, "#similarity-answer"))
        request = engine.of(Compare)[0]
        assert isinstance(request, Compare)
        assert (request.first, request.second) == ("I love pizza", "pizza")


async def test_panes_that_grow_narrow_keep_whole_what_they_show(launch: Launch) -> None:
    engine = FakeEngine()
    engine.script = answer_comparison
    async with launch(engine=engine) as running:
        similarity = running.screen.similarity
        similarity.first.value = similarity.second.value = "A cat"
        await running.pilot.pause()
        similarity.action_compare()
        await running.until(lambda: "similar 75.0%" in text_of(running, "#similarity-answer"))
        answer = running.screen.query_one("#similarity-answer")
        lines, width = answer.size.height, answer.size.width
        hint = running.screen.query_one("#hint-num_return_sequences")
        assert hint.visible
        await running.pilot.press("f7")
        await running.until(lambda: answer.size.width < width and not hint.visible)
        await running.pilot.pause()
        assert answer.size.height == lines


@pytest.mark.smoke
async def test_f1_explains_the_focused_pane_and_escape_closes_it(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("f5", "f1")
        dialog = running.app.screen
        assert isinstance(dialog, HelpDialog)
        assert "MRPC" in dialog._help_text
        await running.pilot.press("escape")
        assert running.app.screen is running.screen


@pytest.mark.smoke
async def test_a_small_terminal_folds_the_panes_into_tabs_that_keys_reach(launch: Launch) -> None:
    async with launch(size=(80, 24)) as running:
        screen = running.screen
        assert screen.folded
        for key, pane in (("f3", "tokens"), ("f4", "sampling"), ("f5", "similarity"), ("f2", "conversation")):
            await running.pilot.press(key)
            shown = [
                name
                for name in ("conversation", "tokens", "sampling", "similarity")
                if screen.query_one(f"#{name}").region
            ]
            assert shown == [pane]
            assert screen.query_one(f"#{pane}").region.bottom <= screen.prompt.region.y
            assert screen.prompt.region.bottom <= 22
        await running.pilot.press("f4", "escape")
        assert screen.focused is screen.prompt


async def test_resizing_to_80_by_24_and_back_keeps_everything(launch: Launch) -> None:
    async with launch(prompt="Hello") as running:
        await running.pilot.resize_terminal(80, 24)
        await running.until(lambda: running.screen.folded)
        await running.pilot.resize_terminal(120, 40)
        await running.until(lambda: not running.screen.folded)
        panes = ("conversation", "tokens", "sampling", "similarity", "prompt")
        assert all(running.screen.query_one(f"#{name}").region for name in panes)
        assert running.screen.prompt.text == "Hello"


async def test_at_120_by_40_no_pane_is_cut_off(launch: Launch) -> None:
    async with launch() as running:
        for widget in running.screen.query("#settings Input, #similarity Input, #prompt, StatusLine, Footer"):
            assert running.screen.region.contains_region(widget.region), widget


async def test_choosing_another_model_loads_it_and_its_name_is_shown(launch: Launch) -> None:
    async with launch() as running:
        running.screen.target = Target("starter/mrpc")
        await running.until(lambda: len(running.engine.of(Load)) == 2)
        await running.until(lambda: "starter/mrpc" in str(running.screen.status.content))


async def test_the_palette_offers_models_and_presets(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("ctrl+p")
        await running.type("creative")
        await running.until(
            lambda: "creative" in str(running.app.screen.query_one(OptionList).get_option_at_index(0).prompt)
        )
        await running.pilot.press("enter", "enter")
        await running.until(lambda: running.screen.sampling.params.temperature == 1.2)
