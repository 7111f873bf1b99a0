"""The families' facts: sizes that their own layers add up to, and commands that the command line takes."""

from __future__ import annotations

import shlex

import pytest

from core.lab.families import FAMILIES, Direction, Family, Size, facts, parameters_text, span_text
from tui.cli import build_parser

SIZES = [(family, size) for family in FAMILIES for size in family.sizes]


def counted_parameters(family: Family, size: Size) -> int:
    """Embeddings, then in each layer 4 D² of attention, 8 D² of feed-forward, and the biases and norms."""
    embeddings = (family.vocabulary + family.positions) * size.width
    return embeddings + size.layers * (12 * size.width**2 + 13 * size.width)


@pytest.mark.parametrize(("family", "size"), SIZES, ids=[f"{family.name} {size.name}" for family, size in SIZES])
def test_the_size_is_what_its_layers_and_its_vocabulary_add_up_to(family: Family, size: Size) -> None:
    assert counted_parameters(family, size) == pytest.approx(size.parameters, rel=0.04)
    assert size.width % size.heads == 0


def test_the_families_are_those_of_the_course() -> None:
    names = [family.name for family in FAMILIES]
    assert names == ["BERT", "DistilBERT", "RoBERTa", "GPT-1", "GPT-2", "GPT-3", "GPT-4"]
    assert {family.name for family in FAMILIES if family.direction is Direction.LEFT} == {
        n for n in names if "GPT" in n
    }
    assert not next(family for family in FAMILIES if family.name == "GPT-4").sizes


@pytest.mark.parametrize("command", [command for family in FAMILIES for command in family.commands])
def test_every_command_is_one_that_the_command_line_takes(command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "nlp-tui"
    assert build_parser().parse_args(arguments).command == arguments[0]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_has_to_be_fetched_is_what_the_last_command_names(family: Family) -> None:
    if family.fetch:
        assert shlex.split(family.fetch)[-1] == shlex.split(family.commands[-1])[-1]
    else:
        assert family.commands == ()


def test_the_facts_say_every_size_and_that_one_is_unpublished() -> None:
    of = {family.name: "\n".join(facts(family)) for family in FAMILIES}
    for line in ("small 124 M: 12 layers, 768 wide, 12 heads", "XL 1.5 B: 48 layers", "117, 345, 762 and 1,542 M"):
        assert line in of["GPT-2"]
    assert "175 B: 96 layers, 12,288 wide" in of["GPT-3"]
    assert "not published" in of["GPT-4"]


def test_numbers_are_said_as_people_say_them() -> None:
    assert [parameters_text(count) for count in (66_000_000, 1_500_000_000, 175_000_000_000)] == [
        "66 M",
        "1.5 B",
        "175 B",
    ]
    assert [span_text(values) for values in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a, b", "a–c"]
