"""Where a model's name leads, and what is refused there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ModelFormatError, ModelNotFoundError
from core.models.hub.cache import hub_cache
from core.models.registry import (
    STARTER_FOLDER,
    STARTERS,
    Source,
    cached_models,
    read_config,
    resolve,
    starters_note,
    tokenizer_folder,
    weight_files,
)
from tests.core.gguf_files import GgufFile

COMMIT = "0123456789abcdef"


def make_folder(folder: Path, *, weights: str = "model.safetensors") -> Path:
    """A folder that looks like a model; nothing in it is read here."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"]}', encoding="utf-8")
    if weights:
        (folder / weights).write_bytes(b"weights")
    return folder


def write_index(folder: Path, *files: str) -> None:
    weight_map = {f"weight.{number}": name for number, name in enumerate(files)}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face cache of this test's own."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    return folder


def cache_model(cache: Path, name: str) -> Path:
    """Put a model into a cache the way huggingface_hub does: blobs, and a snapshot of links to them."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    blobs = make_folder(repository / "blobs")
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(blob)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    return snapshot


@pytest.mark.parametrize("name", STARTERS)
def test_every_starter_is_there_with_its_weights(name: str) -> None:
    model = resolve(name)
    assert (model.name, model.source) == (name, Source.STARTER)
    assert read_config(model)["architectures"]
    assert all(path.is_file() for path in weight_files(model))


def test_a_folder_is_used_as_it_is(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    model = resolve(str(folder))
    assert (model.source, model.folder) == (Source.FOLDER, folder)
    assert weight_files(model) == [folder / "model.safetensors"]


def test_a_relative_folder_needs_no_dot_when_it_holds_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert resolve("mine").folder == tmp_path / "mine"
    assert resolve("./mine").folder == tmp_path / "mine"


def test_a_folder_that_only_shares_a_hub_name_does_not_hide_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt2").mkdir()
    snapshot = cache_model(cache, "gpt2")
    monkeypatch.chdir(tmp_path)
    assert resolve("gpt2").folder == snapshot


def test_home_is_spelled_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = make_folder(tmp_path / "mine")
    assert resolve("~/mine").folder == folder


@pytest.mark.parametrize("name", ["gpt2", "org/name"])
def test_a_hub_name_leads_to_its_cached_snapshot(name: str, cache: Path) -> None:
    snapshot = cache_model(cache, name)
    model = resolve(name)
    assert (model.source, model.folder) == (Source.CACHE, snapshot)
    assert weight_files(model) == [snapshot / "model.safetensors"]
    assert [found.name for found in cached_models()] == [name]


def test_a_cached_index_may_lead_to_blobs(cache: Path) -> None:
    snapshot = cache_model(cache, "gpt2")
    write_index(snapshot, "model.safetensors")
    blob = cache / "models--gpt2" / "blobs" / "model.safetensors"
    assert weight_files(resolve("gpt2")) == [blob]


def test_an_unfinished_download_is_not_a_model(cache: Path) -> None:
    snapshot = cache_model(cache, "gpt2")
    (snapshot / "config.json").unlink()
    with pytest.raises(ModelNotFoundError):
        resolve("gpt2")
    assert cached_models() == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HOME": "/d"}, "/d/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_huggingface_hub_keeps_it(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub_cache() == Path(expected)


def test_no_cache_at_all_is_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nowhere"))
    assert cached_models() == []


@pytest.mark.parametrize(
    "name",
    [
        "nowhere",
        "org/nowhere",
        "./nowhere",
        "/nowhere",
        "",
        "a\x00b",
        "/a\x00b",
        "x" * 5000,
        "~nosuchuser/model",
        "\udcff",
        "../../etc",
        "starter/nowhere",
    ],
)
def test_a_name_that_leads_nowhere_says_so_with_a_way_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError) as caught:
        resolve(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["./nowhere", "nowhere.gguf", "org/nowhere"])
def test_the_way_out_names_the_task_s_own_starter_or_none(name: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        resolve(name, "starter/bert")
    assert caught.value.hint.endswith(", or use the bundled starter/bert")
    with pytest.raises(ModelNotFoundError) as caught:
        resolve(name)
    assert "bundled" not in caught.value.hint


def test_bundled_models_are_told_from_the_originals() -> None:
    assert starters_note(["bert-base-uncased", "half"]) == ""
    assert starters_note(["starter/bert", "starter/bert"]) == "starter/bert is a small starter, not the original"
    both = starters_note(["starter/bert", "starter/distilbert"])
    assert both == "starter/bert and starter/distilbert are small starters, not the originals"


def test_an_unknown_starter_lists_the_ones_there_are() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        resolve("starter/nowhere")
    assert "starter/gpt2" in caught.value.hint


def test_a_file_is_not_a_model_folder(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    with pytest.raises(ModelFormatError, match="is a file, not a model folder") as caught:
        resolve(str(file))
    assert str(tmp_path) in caught.value.hint


def test_a_folder_that_may_not_be_read_is_one_plain_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "locked")
    model = resolve(str(folder))

    def refuse(path: Path, *args: object, **kwargs: object) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_dir", refuse)
        with pytest.raises(ModelNotFoundError, match="cannot be read: Permission denied"):
            resolve(str(folder))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", refuse)
        with pytest.raises(ModelFormatError, match="cannot be read: Permission denied"):
            weight_files(model)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        with pytest.raises(ModelFormatError, match="cannot be read: Permission denied"):
            read_config(model)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_really_locked_folder_is_one_plain_error(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "locked" / "inside")
    folder.parent.chmod(0)
    try:
        with pytest.raises((ModelNotFoundError, ModelFormatError), match="Permission denied"):
            weight_files(resolve(str(folder)))
    finally:
        folder.parent.chmod(0o700)


def test_a_cache_that_may_not_be_read_is_one_plain_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    cache_model(cache, "gpt2")
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ModelNotFoundError, match="Permission denied"):
        cached_models()


def test_a_cached_model_with_a_broken_reference_is_left_out_of_the_list(cache: Path) -> None:
    cache_model(cache, "good")
    cache_model(cache, "bad")
    (cache / "models--bad" / "refs" / "main").write_bytes(b"\xff\xfe\x00")
    assert [model.name for model in cached_models()] == ["good"]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "empty", weights="")
    with pytest.raises(ModelFormatError, match=r"has no weights \(model\.safetensors\)"):
        weight_files(resolve(str(folder)))


def test_a_pickle_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pickle", weights="pytorch_model.bin")
    with pytest.raises(ModelFormatError, match=r"only pytorch_model\.bin, a pickle, which can run code"):
        weight_files(resolve(str(folder)))


def test_safetensors_beside_a_pickle_are_taken(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "both")
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert weight_files(resolve(str(folder))) == [folder / "model.safetensors"]


def test_an_index_names_the_files_of_a_sharded_model(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "sharded", weights="b.safetensors")
    (folder / "a.safetensors").write_bytes(b"")
    write_index(folder, "b.safetensors", "a.safetensors", "b.safetensors")
    assert weight_files(resolve(str(folder))) == [folder / "a.safetensors", folder / "b.safetensors"]


@pytest.mark.parametrize("outside", ["../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors"])
def test_an_index_that_points_outside_its_folder_is_refused(outside: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "sly")
    (tmp_path / "secret.safetensors").write_bytes(b"")
    write_index(folder, outside)
    with pytest.raises(ModelFormatError, match="points outside it"):
        weight_files(resolve(str(folder)))


def test_a_link_that_leads_outside_is_refused_too(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "sly", weights="")
    (tmp_path / "secret.safetensors").write_bytes(b"")
    (folder / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    write_index(folder, "link.safetensors")
    with pytest.raises(ModelFormatError, match="points outside it"):
        weight_files(resolve(str(folder)))


def test_the_starters_share_one_encoder_between_folders() -> None:
    shared = {path for name in ("starter/bert", "starter/mrpc") for path in weight_files(resolve(name))}
    assert STARTER_FOLDER.resolve() / "bert" / "encoder.safetensors" in shared


def test_an_index_that_names_a_missing_file_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "holes")
    write_index(folder, "gone.safetensors")
    with pytest.raises(ModelFormatError, match=r"lacks gone\.safetensors"):
        weight_files(resolve(str(folder)))


BROKEN_INDEXES: dict[str, str] = {
    "no JSON": "{",
    "a list": "[]",
    "no map": "{}",
    "map is a list": '{"weight_map": ["a"]}',
    "names are numbers": '{"weight_map": {"a": 1}}',
    "a name with NUL": '{"weight_map": {"a": "b\\u0000c"}}',
}


@pytest.mark.parametrize("text", BROKEN_INDEXES.values(), ids=BROKEN_INDEXES.keys())
def test_a_broken_index_is_refused(text: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "broken")
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelFormatError, match="is not a safetensors index"):
        weight_files(resolve(str(folder)))


BROKEN_CONFIGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "has no config.json"),
    "no JSON": (lambda path: path.write_text("{"), "is not JSON"),
    "a list": (lambda path: path.write_text("[]"), "is not a JSON object"),
    "binary": (lambda path: path.write_bytes(b"\xff\xfe"), "is not JSON"),
}


@pytest.mark.parametrize(("break_it", "message"), BROKEN_CONFIGS.values(), ids=BROKEN_CONFIGS.keys())
def test_a_broken_config_is_refused(break_it: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "broken")
    model = resolve(str(folder))
    break_it(folder / "config.json")
    with pytest.raises(ModelFormatError, match=message):
        read_config(model)


def test_the_courses_tokenizers_are_at_hand_without_their_models(cache: Path) -> None:
    assert tokenizer_folder("gpt2") == STARTER_FOLDER / "gpt2"
    assert tokenizer_folder("bert-base-uncased") == STARTER_FOLDER / "bert"
    with pytest.raises(ModelNotFoundError):
        tokenizer_folder("nowhere")


def test_a_cached_original_is_preferred_to_its_twin(cache: Path) -> None:
    snapshot = cache_model(cache, "gpt2")
    assert tokenizer_folder("gpt2") == snapshot


def test_a_cached_index_may_not_lead_into_another_model(cache: Path) -> None:
    other = cache_model(cache, "org/other") / "model.safetensors"
    snapshot = cache_model(cache, "gpt2")
    write_index(snapshot, os.path.relpath(other.resolve(), snapshot))
    with pytest.raises(ModelFormatError, match="points outside it"):
        weight_files(resolve("gpt2"))


def test_only_a_starters_index_may_lead_to_another_starter(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "sly")
    shared = STARTER_FOLDER / "bert" / "encoder.safetensors"
    write_index(folder, os.path.relpath(shared, folder))
    with pytest.raises(ModelFormatError, match="points outside it"):
        weight_files(resolve(str(folder)))
    assert shared.resolve() in weight_files(resolve(str(STARTER_FOLDER / "mrpc")))


def test_a_gguf_file_keeps_the_name_of_the_link_that_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "blobs").mkdir()
    blob = GgufFile().write(tmp_path / "blobs" / "0123abcd")
    link = tmp_path / "tiny.gguf"
    link.symlink_to(blob)
    monkeypatch.chdir(tmp_path / "blobs")
    model = resolve(str(link))
    assert (model.file, model.source) == (link, Source.GGUF)
    assert model.folder.name.startswith("tiny-")
    assert resolve("../tiny.gguf").file == link
    assert resolve("../tiny.gguf").folder == model.folder
