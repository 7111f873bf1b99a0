"""The errors a user may see: what is wrong, and what to do about it. Nothing here formats tracebacks."""

from __future__ import annotations


class EngineError(Exception):
    """A failure that is the user's to read: one line that says what, and a hint that says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What is wrong, without a trailing full stop."""
        self.hint = hint
        """What to do next; empty when there is nothing to do."""

    def __str__(self) -> str:
        return f"{self.message}. hint: {self.hint}" if self.hint else self.message


class SettingError(EngineError):
    """A setting lies outside its range; raised before any work is done."""


class InputError(EngineError):
    """The text or the combination of options given cannot be used at all."""


class PromptTooLongError(EngineError):
    """The prompt has more tokens than the model has positions; keeping its end is the user's choice."""


class ModelNotFoundError(EngineError):
    """A model name leads to no folder, no bundled starter and no cached copy."""


class ModelFormatError(EngineError):
    """A model folder is there but cannot be used: files missing, broken, or refused."""


class ModelTooLargeError(EngineError):
    """A model does not fit into the memory that is free; nothing of it was loaded."""


class DownloadError(EngineError):
    """A model cannot be fetched from the hub now: network, access, disk, or the hub itself."""


class DeviceError(EngineError):
    """The device or dtype asked for is not available on this machine."""


class EngineStoppedError(EngineError):
    """The engine process ended before it answered."""


ERROR_KINDS: dict[str, type[EngineError]] = {
    kind.__name__: kind
    for kind in (
        EngineError,
        SettingError,
        InputError,
        PromptTooLongError,
        ModelNotFoundError,
        ModelFormatError,
        ModelTooLargeError,
        DownloadError,
        DeviceError,
        EngineStoppedError,
    )
}
"""Error classes by name, so that one that crosses the pipe arrives as itself."""
