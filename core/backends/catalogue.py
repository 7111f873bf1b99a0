"""Every kind of backend, and the one place that opens them: an address says which kind, and where it is.

An address is `SCHEME:REST`; the empty one is this machine. A kind's module is imported when it is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    from core.backends.backend import Backend  # needs asyncio, which a refused address does without


@dataclass(frozen=True, slots=True)
class BackendKind:
    """A kind of backend."""

    scheme: str
    """What its addresses begin with, up to the colon; nothing for the kind that has the empty address alone."""
    module: str
    """Where its class is."""
    maker: str
    """The class, which takes the address; of the empty address, nothing."""
    summary: str
    """What it is, for people."""

    def has(self, address: str) -> bool:
        """Whether an address is one of this kind's."""
        return address.startswith(f"{self.scheme}:") if self.scheme else not address


BACKEND_KINDS = (BackendKind("", "core.backends.process", "EngineProcess", "a process of this machine"),)


def open_backend(address: str = "") -> Backend:
    """Make the backend at an address; nothing is started before its first request.

    Raises:
        InputError: no kind of backend has such an address.
    """
    kind = next((kind for kind in BACKEND_KINDS if kind.has(address)), None)
    if kind is None:
        known = "; ".join(
            f"{kind.scheme}:… is {kind.summary}" if kind.scheme else kind.summary for kind in BACKEND_KINDS
        )
        raise InputError(f"no engine is known at the address {address!r}", f"there are: {known}")
    maker = getattr(import_module(kind.module), kind.maker)
    backend: Backend = maker(address) if address else maker()
    return backend
