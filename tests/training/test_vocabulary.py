"""Compact vocabularies and the loss over some of their entries."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from training.vocabulary import CompactVocabulary
from training.vocabulary_loss import choose_candidates, vocabulary_loss


def test_compact_ids_go_from_frequent_to_rare() -> None:
    vocabulary = CompactVocabulary.count([torch.tensor([5, 5, 5, 2, 2, 9])], 12)
    assert vocabulary.entries.tolist() == [5, 2, 9]
    assert vocabulary.compact(torch.tensor([9, 5])).tolist() == [2, 0]


def test_an_entry_that_never_occurs_has_no_compact_id() -> None:
    vocabulary = CompactVocabulary.count([torch.tensor([1, 2])], 4)
    with pytest.raises(ValueError, match="outside"):
        vocabulary.compact(torch.tensor([3]))


@given(st.lists(st.integers(0, 19), min_size=1, max_size=60))
def test_learned_rows_come_back_at_their_place(ids: list[int]) -> None:
    vocabulary = CompactVocabulary.count([torch.tensor(ids)], 20)
    rows = torch.randn(len(vocabulary.entries), 4)
    full = vocabulary.expand_rows(rows, torch.Generator().manual_seed(0))
    assert full.shape == (20, 4)
    assert torch.equal(full[vocabulary.entries], rows)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 1000))
def test_every_target_is_among_the_candidates(head: int, samples: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(25, (40,), generator=generator)
    candidates = choose_candidates(targets, 25, head, samples, generator)
    assert torch.equal(candidates.ids[candidates.targets], targets)
    assert len(set(candidates.ids.tolist())) == len(candidates.ids)


def test_with_nothing_left_out_loss_and_gradients_are_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(700, 8, generator=generator, requires_grad=True)
    rows = torch.randn(30, 8, generator=generator, requires_grad=True)
    bias = torch.randn(30, generator=generator, requires_grad=True)
    targets = torch.randint(30, (700,), generator=generator)
    candidates = choose_candidates(targets, 30, 10, 30, generator)
    loss = vocabulary_loss(
        hidden,
        rows[candidates.ids],
        bias[candidates.ids] + candidates.log_weights,
        candidates.targets,
    )
    expected = functional.cross_entropy(hidden @ rows.T + bias, targets)
    torch.testing.assert_close(loss, expected)
    found = torch.autograd.grad(loss, (hidden, rows, bias))
    exact = torch.autograd.grad(expected, (hidden, rows, bias))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_a_sample_of_the_rare_entries_stands_for_all_of_them() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, rows = torch.randn(64, 8, generator=generator), torch.randn(400, 8, generator=generator)
    targets = torch.randint(20, (64,), generator=generator)
    exact = functional.cross_entropy(hidden @ rows.T, targets)
    losses = []
    for _ in range(200):
        c = choose_candidates(targets, 400, 20, 100, generator)
        losses.append(vocabulary_loss(hidden, rows[c.ids], c.log_weights, c.targets))
    assert torch.stack(losses).mean() == pytest.approx(float(exact), rel=0.05)
