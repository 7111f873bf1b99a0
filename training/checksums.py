"""The checksums of the bundled models' weights: `python -m training.checksums [FOLDER]`.

Writes one file a model, in the format of `sha256sum`, which `nlp-tui models verify` compares with. Run it whenever
weights under `core/starter` have changed.
"""

import hashlib
import sys
from pathlib import Path

from core.models.registry import STARTER_FOLDER
from core.models.verifying import CHECKSUMS_FILE


def checksums(folder: Path) -> str:
    """Return the list of a model's own weight files, by name."""
    files = sorted(folder.glob("*.safetensors"))
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def write_checksums(root: Path) -> list[Path]:
    """Write the list of every model under a folder; return their paths."""
    written = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if text := checksums(folder):
            (folder / CHECKSUMS_FILE).write_text(text, encoding="utf-8")
            written.append(folder / CHECKSUMS_FILE)
    return written


def main(arguments: list[str]) -> int:
    """Write the lists and say where."""
    for path in write_checksums(Path(arguments[0]) if arguments else STARTER_FOLDER):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
