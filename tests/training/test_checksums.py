"""The checksums that ship beside the starters, and the command that writes them."""

from pathlib import Path

import pytest

from core.errors import ModelFormatError
from core.models.registry import STARTER_FOLDER
from core.models.verifying import CHECKSUMS_FILE, read_checksums
from training.checksums import checksums, main


def test_the_starters_checksums_are_what_the_command_would_write() -> None:
    folders = sorted({path.parent for path in STARTER_FOLDER.glob("*/*.safetensors")})
    assert len(folders) >= 4
    for folder in folders:
        assert (folder / CHECKSUMS_FILE).read_text(encoding="utf-8") == checksums(folder), "run -m training.checksums"


def test_the_command_writes_one_list_for_each_folder_with_weights(tmp_path: Path) -> None:
    for name in ("model", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "b.safetensors").write_bytes(b"b")
    (tmp_path / "model" / "a.safetensors").write_bytes(b"")
    assert main([str(tmp_path)]) == 0
    assert list(read_checksums(tmp_path / "model")) == ["a.safetensors", "b.safetensors"]
    assert read_checksums(tmp_path / "model")["a.safetensors"].startswith("e3b0c44298fc1c149afbf4c8996fb924")
    assert not (tmp_path / "empty" / CHECKSUMS_FILE).exists()


@pytest.mark.parametrize("content", [None, "no hash here", "\xff"])
def test_a_list_that_cannot_be_read_is_one_plain_error(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / CHECKSUMS_FILE).write_bytes((content.replace(" ", "") or "").encode("latin-1"))
    with pytest.raises(ModelFormatError, match="cannot be used"):
        read_checksums(tmp_path)
