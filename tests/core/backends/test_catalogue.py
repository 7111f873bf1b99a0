"""Which backend an address opens."""

from __future__ import annotations

import pytest

from core.backends import catalogue
from core.backends.catalogue import BackendKind, open_backend
from core.backends.process import EngineProcess
from core.errors import InputError
from tests.toy.backend import ToyBackend

TOY = BackendKind("toy", "tests.toy.backend", "ToyBackend", "two words")


def test_the_empty_address_is_the_engine_process_of_this_machine_and_starts_nothing() -> None:
    backend = open_backend()
    assert isinstance(backend, EngineProcess)
    assert backend.pid is None


def test_a_row_is_all_that_another_kind_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BACKEND_KINDS", (*catalogue.BACKEND_KINDS, TOY))
    backend = open_backend("toy://shelf:80")
    assert isinstance(backend, ToyBackend)
    assert backend.address == "toy://shelf:80"
    assert isinstance(open_backend(), EngineProcess)


@pytest.mark.parametrize("address", ["toy", "http://localhost", "localhost:80", " ", ":", "TOY:x"])
def test_an_unknown_address_is_refused_in_one_line_that_says_what_there_is(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        catalogue, "BACKEND_KINDS", (*catalogue.BACKEND_KINDS, BackendKind("a", "no.module", "None", "an A"))
    )
    with pytest.raises(InputError) as caught:
        open_backend(address)
    assert repr(address) in caught.value.message
    assert caught.value.hint == "there are: a process of this machine; a:… is an A"
