"""The smallest sampler: it drops tokens under a probability. What it adds to the two files that a sampler needs."""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

SETTING = """\
    "epsilon_cutoff": Setting(
        low=0,
        high=1,
        off=0,
        step=0.01,
        inert=_DRAWLESS,
        label="epsilon",
        cuts="epsilon",
        help="keep tokens at least this likely; 0 is off",
    ),
"""
FIELD = """\
    epsilon_cutoff: float = 0.0
    \"\"\"Keeps tokens that are at least this likely; 0 is off.\"\"\"
"""
FUNCTION = """\
def keep_likely(logits: Tensor, epsilon: float) -> Tensor:
    \"\"\"Keep entries at least this likely, and the best in any case (EpsilonLogitsWarper; Hewitt et al. 2022).\"\"\"
    unlikely = (logits.softmax(-1) < epsilon) & (logits < logits.amax(-1, keepdim=True))
    return logits.masked_fill(unlikely, float("-inf"))


"""
ROW = """\
    "epsilon_cutoff": keep_likely,
"""

ADDED = {
    "core/messages/sampling_params.py": {
        '    "repetition_penalty": Setting(\n': SETTING,
        "    repetition_penalty: float": FIELD,
    },
    "core/engine/generation/sampling.py": {
        "PENALTIES: dict": FUNCTION,
        '}\n"""The samplers that look at the distribution': ROW,
    },
}
"""For each file, what comes before which of its lines."""


def copy_with_sampler(folder: Path) -> None:
    """Copy the program and its tests to a folder, and add the sampler there."""
    for name in ("core", "tui", "tests"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("starter", "__snapshots__"))
    (folder / "core" / "starter").symlink_to(REPOSITORY / "core" / "starter")
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    for name, additions in ADDED.items():
        text = (folder / name).read_text()
        for line, addition in additions.items():
            assert text.count(line) == 1, f"{name} has changed around {line!r}"
            text = text.replace(line, addition + line)
        (folder / name).write_text(text)
