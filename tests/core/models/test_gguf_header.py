"""gguf files are read as they are, and broken ones are named before anything is converted."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ModelFormatError
from core.models.gguf_header import read_gguf
from tests.core.gguf_files import GgufFile, Tensor, text


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def test_a_whole_file_says_what_it_holds(tmp_path: Path) -> None:
    more = entry("llama.block_count", 4, struct.pack("<I", 30)) + entry("tokenizer.chat_template", 8, text("{{ x }}"))
    more += entry("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b"))
    more += entry("tokenizer.ggml.scores", 9, struct.pack("<IQ2f", 6, 2, 0.5, 0.25))
    tensors = (Tensor(), Tensor("output_norm.weight", (32,), 0, 256))
    header = read_gguf(GgufFile(more=more, more_count=4, tensors=tensors, data_bytes=384).write(tmp_path / "a.gguf"))
    assert header.architecture == "llama"
    assert header.metadata["llama.block_count"] == 30
    assert (header.metadata["tokenizer.ggml.tokens"], header.metadata["tokenizer.ggml.scores"]) == (2, 2)
    assert [(tensor.name, tensor.elements) for tensor in header.tensors] == [
        ("token_embd.weight", 128),
        ("output_norm.weight", 32),
    ]


@pytest.mark.parametrize(
    ("kinds", "dtype"), [((3, 0), "float16"), ((1,), "float16"), ((30,), "bfloat16"), ((0,), "float32")]
)
def test_the_dtype_is_the_one_that_holds_the_matrices(tmp_path: Path, kinds: tuple[int, ...], dtype: str) -> None:
    shapes = ((32, 4), (32,))  # norms are float32 in every file
    tensors = [Tensor(f"t{place}", shapes[place], kind, place * 512) for place, kind in enumerate(kinds)]
    file = GgufFile(tensors=tensors, data_bytes=1024).write(tmp_path / "a.gguf")
    assert read_gguf(file).dtype == dtype


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (GgufFile(magic=b"GGML"), "does not begin with GGUF"),
        (GgufFile(version=1), "it is of version 1; versions 2 and 3 are read"),
        (GgufFile(architecture=""), "it holds no model"),
        (GgufFile(tensors=()), "it holds no model"),
        (GgufFile(tensor_count=2**40), "announces 1,099,511,627,776 tensors"),
        (GgufFile(tensor_count=50), "it ends in the middle of its header|bytes of text|dimensions|unknown type"),
        (GgufFile(tensors=(Tensor(kind=99),)), "'token_embd.weight' is of an unknown type, 99"),
        (GgufFile(tensors=(Tensor(shape=(2**40, 2**40)),)), "the file is cut short"),
        (GgufFile(tensors=(Tensor(shape=(33, 1), kind=3),)), "no whole blocks of 32"),
        (GgufFile(tensors=(Tensor(shape=(1,) * 9),)), "announces 9 dimensions"),
        (GgufFile(tensors=(Tensor(offset=2**62),)), "the file is cut short"),
        (GgufFile(data_bytes=255), "ends at byte .*: the file is cut short"),
        (GgufFile(more=entry("a", 77, b""), more_count=1), "a value of unknown kind 77"),
        (GgufFile(more=entry("a", 9, struct.pack("<IQ", 9, 1)), more_count=1), "a list of unknown kind 9"),
        (GgufFile(more=entry("a", 9, struct.pack("<IQ", 8, 2**60)), more_count=1), "entries in a list"),
        (GgufFile(more=entry("a", 8, struct.pack("<Q", 2**60)), more_count=1), "bytes of text"),
        (GgufFile(more=entry("general.alignment", 4, bytes(4)), more_count=1), "its alignment is 0"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, file: GgufFile, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message) as caught:
        read_gguf(file.write(tmp_path / "broken.gguf"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", range(0, len(GgufFile().content()), 9))
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "short.gguf"
    path.write_bytes(GgufFile().content()[:kept])
    with pytest.raises(ModelFormatError, match=r"short\.gguf is no usable gguf file"):
        read_gguf(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 159), st.integers(0, 255)), min_size=1, max_size=4))
def test_random_bytes_in_a_header_are_refused_or_read(tmp_path: Path, places: list[tuple[int, int]]) -> None:
    content = bytearray(GgufFile().content())
    for place, value in places:
        content[place] = value
    path = tmp_path / "mutated.gguf"
    path.write_bytes(content)
    message = ""
    try:
        assert read_gguf(path).tensors
    except ModelFormatError as error:
        message = str(error)
    assert "\n" not in message
