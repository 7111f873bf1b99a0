"""Chats: a model's own template puts earlier turns and a prompt into the form that it was trained on.

Templates are Jinja programs; transformers runs them in a sandbox that reaches neither files nor Python.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelFormatError
from core.messages.records import Exchange

_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How a model wants a chat to be written."""

    name: str
    """The model's."""
    source: str
    special_tokens: dict[str, str]
    """What the template calls `bos_token` and the like."""

    def render(self, earlier: Sequence[Exchange], prompt: str) -> str:
        """A chat as the model reads it, up to where its answer begins.

        Args:
            earlier: the turns so far, oldest first.
            prompt: what is said now.

        Raises:
            ModelFormatError: the template is broken, or refuses such a chat.
        """
        from transformers.utils.chat_template_utils import render_jinja_template  # seconds, which only chats need

        messages: list[dict[str, str]] = []
        for exchange in earlier:
            messages.append({"role": "user", "content": exchange.prompt})
            messages.append({"role": "assistant", "content": exchange.answer})
        messages.append({"role": "user", "content": prompt})
        tokens: dict[str, Any] = dict(self.special_tokens)
        try:
            rendered = render_jinja_template(
                conversations=[messages], chat_template=self.source, add_generation_prompt=True, **tokens
            )[0]
        except Exception as error:  # a template is a program: it may fail in any way
            reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            raise ModelFormatError(
                f"the chat template of {self.name} cannot be used: {reason}", "--no-chat lets it continue the text"
            ) from error
        return str(rendered[0])


def read_template(name: str, folder: Path) -> ChatTemplate | None:
    """A model's chat template: `chat_template.jinja`, else the one in `tokenizer_config.json`; None without one.

    Args:
        name: the model's.
        folder: its files.

    Raises:
        ModelFormatError: a file cannot be read.
    """
    try:
        config = _read_json(folder / "tokenizer_config.json")
        file = folder / "chat_template.jinja"
        source = file.read_text(encoding="utf-8") if file.is_file() else _default(config.get("chat_template"))
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ModelFormatError(f"the chat template of {name} cannot be read: {reason}", "download it again") from None
    if not source:
        return None
    tokens = {kind: text for kind in _SPECIAL if (text := _token_text(config.get(kind)))}
    return ChatTemplate(name, source, tokens)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}


def _default(template: object) -> str:
    """The one to use of what a config has: a text, or a list of named ones."""
    if isinstance(template, list):
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else ""


def _token_text(token: object) -> str:
    """A special token, which may be written as a text or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""
