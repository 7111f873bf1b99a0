"""The command line as other programs call it: what each command prints, streams and returns."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from core.models.registry import STARTERS
from tests.cli.inside import use
from tests.cli.process import PATIENCE_S, Finished, run, start

PROMPT = "Once upon a time"
OPTIONS = ("--max-new-tokens", "12", "--temperature", "0.8", "--top-k", "50", "--top-p", "0.95", "--json")

RUN_FIELDS = {"type", "model", "prompt", "prompt_ids", "params", "seed", "device", "dtype"}
TOKEN_FIELDS = {
    *("type", "sequence", "index", "id", "text", "bytes", "logprob", "prob", "rank", "entropy"),
    *("final_prob", "kept", "elapsed_s", "candidates"),
}
DONE_FIELDS = {"type", "sequence", "finish_reason", "text", "ids", "stats"}
STATS_FIELDS = {"ttft_s", "itl_p50_s", "itl_p99_s", "tokens_per_s", "perplexity"}
CANDIDATE_FIELDS = {"rank", "id", "text", "logit", "prob", "final_prob", "cumulative", "kept", "cut_by"}


@pytest.fixture(scope="module")
def seed_1(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One run with seed 1, in processes of its own."""
    return run(*generate(gpt2_folder, "1"), folder=tmp_path_factory.mktemp("empty"))


def generate(model: Path, seed: str) -> tuple[str, ...]:
    return ("generate", PROMPT, *OPTIONS, "--seed", seed, "--model", str(model))


def test_version_is_one_line(tmp_path: Path) -> None:
    finished = run("--version", folder=tmp_path)
    assert finished.code == 0
    assert finished.stdout.startswith("nlp-tui 0.")
    assert finished.stdout.count("\n") == 1
    assert finished.stderr == ""


def test_help_names_every_command(tmp_path: Path) -> None:
    finished = use("--help", folder=tmp_path)
    assert finished.code == 0
    assert all(name in finished.stdout for name in ("generate", "next", "tokens", "similar", "models"))


def test_generate_prints_the_run_every_token_and_how_it_ended(seed_1: Finished) -> None:
    first, *tokens, done = seed_1.lines
    assert (seed_1.code, seed_1.stderr) == (0, "")
    assert first["type"] == "run"
    assert first.keys() >= RUN_FIELDS
    assert (first["prompt"], first["prompt_ids"], first["seed"]) == (PROMPT, [7454, 2402, 257, 640], 1)
    assert first["params"]["top_k"] == 50
    assert len(tokens) == 12
    for index, token in enumerate(tokens):
        assert token.keys() >= TOKEN_FIELDS
        assert (token["type"], token["sequence"], token["index"]) == ("token", 0, index)
        assert token["candidates"][0].keys() >= CANDIDATE_FIELDS
        assert bytes.fromhex(token["bytes"])
    assert done.keys() >= DONE_FIELDS
    assert done["stats"].keys() >= STATS_FIELDS
    assert (done["type"], done["finish_reason"]) == ("done", "length")
    assert done["ids"] == [token["id"] for token in tokens]
    assert done["text"] == "".join(token["text"] for token in tokens)


def test_the_same_seed_repeats_a_run_and_another_does_not(seed_1: Finished, gpt2_folder: Path, tmp_path: Path) -> None:
    ids = seed_1.lines[-1]["ids"]
    assert use(*generate(gpt2_folder, "1"), folder=tmp_path).lines[-1]["ids"] == ids
    assert use(*generate(gpt2_folder, "2"), folder=tmp_path).lines[-1]["ids"] != ids


def test_tokens_stream_out_and_ctrl_c_ends_a_run_with_what_there_is(long_gpt2_folder: Path, tmp_path: Path) -> None:
    asked_for = 4000
    options = ("--max-new-tokens", str(asked_for), "--greedy", "--candidates", "0", "--json")
    with start("generate", PROMPT, *options, "--model", str(long_gpt2_folder), folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["type"] == "run"
        assert json.loads(process.stdout.readline())["index"] == 0
        assert process.poll() is None, "the first token came only when all were there"
        process.send_signal(signal.SIGINT)
        *tokens, done = map(json.loads, process.stdout)
        assert process.wait(PATIENCE_S) == 130
        assert process.stderr.read() == ""
    assert done["finish_reason"] == "cancelled"
    assert len(done["ids"]) == 1 + len(tokens) < asked_for


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_command_quietly(gpt2_folder: Path, tmp_path: Path) -> None:
    command = ("next", PROMPT, "--top", "0", "--json", "--model", str(gpt2_folder))
    with start(*command, folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 141
        assert process.stderr.read() == ""


def test_several_sequences_each_have_a_done_line(gpt2_folder: Path, tmp_path: Path) -> None:
    options = ("--num-return-sequences", "2", "--max-length", "8", "--stop-string", "zzz", "--json", "--seed", "3")
    finished = use("generate", PROMPT, *options, "--model", str(gpt2_folder), folder=tmp_path)
    done = [line for line in finished.lines if line["type"] == "done"]
    assert sorted(line["sequence"] for line in done) == [0, 1]
    assert all(len(line["ids"]) == 4 for line in done)


def test_without_json_the_text_goes_to_stdout_and_the_talk_to_stderr(gpt2_folder: Path, tmp_path: Path) -> None:
    options = ("--greedy", "--max-new-tokens", "3", "--model", str(gpt2_folder))
    finished = use("generate", PROMPT, *options, folder=tmp_path)
    assert finished.code == 0
    assert finished.stdout.startswith(PROMPT)
    talk = finished.stderr.splitlines()
    assert "greedy" in talk[0]
    assert "3 tokens" in talk[-1]
    assert "\x1b" not in finished.stdout + finished.stderr


def test_next_ranks_the_candidates(gpt2_folder: Path, tmp_path: Path) -> None:
    options = ("--top", "4", "--top-k", "2", "--top-p", "1", "--json", "--model", str(gpt2_folder))
    finished = use("next", PROMPT, *options, folder=tmp_path)
    assert finished.code == 0
    assert [line["rank"] for line in finished.lines] == [1, 2, 3, 4]
    assert all(line.keys() >= CANDIDATE_FIELDS for line in finished.lines)
    assert [line["cut_by"] for line in finished.lines] == ["", "", "top_k", "top_k"]
    assert sum(line["final_prob"] for line in finished.lines) == pytest.approx(1)


def test_similar_compares_two_sentences(classifier_folder: Path, tmp_path: Path) -> None:
    command = ("similar", "The cat is on the mat", "A feline is sitting on a rug", "--json")
    (line,) = use(*command, "--model", str(classifier_folder), folder=tmp_path).lines
    assert list(line)[:7] == ["model", "method", "similar", "not_similar", "cosine", "a_to_b", "b_to_a"]
    assert line["similar"] == line["a_to_b"]
    assert line["similar"] + line["not_similar"] == pytest.approx(1)


def test_tokens_prints_a_line_a_token_and_a_summary(tmp_path: Path) -> None:
    *tokens, summary = use("tokens", "Hello world", "--json", folder=tmp_path).lines
    assert [token["id"] for token in tokens] == [15496, 995]
    assert [(token["start"], token["end"]) for token in tokens] == [(0, 5), (5, 11)]
    fields = {"index", "id", "token", "text", "bytes", "start", "end", "special", "unknown"}
    assert all(token.keys() >= fields for token in tokens)
    assert summary == {"ids": [15496, 995], "decoded": "Hello world", "count": 2}


def test_tokens_says_when_a_text_is_not_nfc_and_when_bert_takes_letters_apart(tmp_path: Path) -> None:
    finished = use("tokens", "cafe\u0301", folder=tmp_path)
    assert finished.stderr.startswith("note: gpt2: not NFC: é = U+0065 U+0301 (NFC: ")
    assert "note" not in finished.stdout
    told = use("tokens", "득템", "--tokenizer", "bert-base-uncased", "--json", folder=tmp_path)
    assert told.stderr == ""
    assert told.lines[-1]["notes"] == ["득템 is split into 6 jamo: ㄷㅡㄱㅌㅔㅁ"]


def test_tokens_of_the_courses_sentence_are_berts(tmp_path: Path) -> None:
    command = ("tokens", "I love natural language processing!", "--tokenizer", "bert-base-uncased", "--json")
    *_, summary = use(*command, folder=tmp_path).lines
    assert summary["ids"] == [101, 1045, 2293, 3019, 2653, 6364, 999, 102]
    assert summary["decoded"] == "[CLS] i love natural language processing! [SEP]"


@pytest.mark.parametrize("source", ["stdin", "file"])
def test_text_comes_from_a_file_or_stdin_too(source: str, tmp_path: Path) -> None:
    text = "안녕 🦊\nsecond line"
    (tmp_path / "text").write_text(text, encoding="utf-8")
    where = ("-",) if source == "stdin" else ("--file", "text")
    finished = use("tokens", *where, "--json", folder=tmp_path, stdin=text.encode())
    assert finished.lines[-1]["decoded"] == text


def test_models_list_names_every_starter_and_where_it_is(tmp_path: Path) -> None:
    rows = use("models", "list", "--json", folder=tmp_path).lines
    assert [row["name"] for row in rows] == list(STARTERS)
    assert all(Path(row["path"], "config.json").is_file() for row in rows)
    assert all(row["source"] == "starter" for row in rows)
    readable = use("models", "list", folder=tmp_path)
    assert all(name in readable.stdout for name in STARTERS)


def test_models_path_prints_a_folder(gpt2_folder: Path, tmp_path: Path) -> None:
    assert use("models", "path", str(gpt2_folder), folder=tmp_path).stdout == f"{gpt2_folder}\n"
    assert Path(use("models", "path", "starter/gpt2", folder=tmp_path).stdout.strip(), "model.safetensors").is_file()
