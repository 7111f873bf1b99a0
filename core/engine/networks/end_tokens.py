"""The tokens at which a model ends by itself: those of its generation settings, its config, and its chat's turns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.engine.networks.chat_template import ChatTemplate
from core.text.tokenization import TextTokenizer


def end_ids(
    config: Mapping[str, Any], folder: Path, tokenizer: TextTokenizer, template: ChatTemplate | None
) -> frozenset[int]:
    """The ids that end a text.

    Args:
        config: the model's `config.json`.
        folder: may hold a `generation_config.json`, which then replaces what the config says.
        tokenizer: knows the tokens' ids.
        template: of a chat model: its end-of-text token ends a turn, too.
    """
    ids = _generation_ids(folder) or _ids(config.get("eos_token_id"))
    if template is not None and (end := template.special_tokens.get("eos_token")):
        found = tokenizer.id_of(end)
        ids |= frozenset() if found is None else {found}
    return ids


def _generation_ids(folder: Path) -> frozenset[int]:
    try:
        settings = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return frozenset()  # it is only a hint, and most models have none
    return _ids(settings.get("eos_token_id")) if isinstance(settings, dict) else frozenset()


def _ids(value: object) -> frozenset[int]:
    return frozenset(one for one in (value if isinstance(value, list) else [value]) if type(one) is int)
