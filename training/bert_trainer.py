"""One BERT training run: pre-training and sentence tasks on one trunk, at every step.

Knows the models, the optimizer and the batches; reads no command line and writes no model folder.
Invariant: a trainer restored from `state()` takes the same steps as the one that was saved.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from transformers import PreTrainedTokenizerBase

from training.bert_model import BertFamily, mean_pooled
from training.glue import Example, Task, TaskRows, class_labels, draw_examples, encode_examples, length_buckets
from training.progress import learning_rate_factor, step_generator
from training.sentence_pairs import MaskedPairs, Pair, draw_pairs, draw_sentence, mask_pairs
from training.vocabulary import CompactVocabulary
from training.vocabulary_loss import choose_candidates, vocabulary_loss

SIMILARITY_WEIGHT = 5.0
SENTENCE_ENDS = (".", "!", "?")

Documents = Sequence[tuple[Tensor, ...]]
"""Pieces by document."""


@dataclass(frozen=True, slots=True)
class BertSettings:
    """How BERT is trained."""

    own_layers: int = 3
    """Last layers that each task has for itself."""
    frozen_layers: int = 0
    """First layers that stay as they are; with one or more, embeddings learn from the output side alone."""
    pairs_per_step: int = 16
    """Sentence pairs of one batch."""
    corpus_shares: tuple[float, ...] = (0.25, 0.15, 0.6)
    """How often a pair comes from each corpus, relative to the others."""
    short_share: float = 0.15
    """Share of pairs cut down to a sentence's length, 0-1."""
    sentence_share: float = 0.15
    """Single sentences for each pair of the batch."""
    masked_share_early: float = 0.3
    """Share of tokens hidden in the first 70 % of the run, 0-1: more to learn from each batch."""
    masked_share_late: float = 0.15
    """Share of tokens hidden in the rest of the run, 0-1."""
    next_sentence_weight: float = 0.5
    """Weight of the next-sentence loss."""
    task_turns: tuple[Task, ...] = (Task.SST2, Task.MRPC, Task.SST2, Task.STSB)
    """The tasks that take turns beside pre-training."""
    task_rows: int = 16
    """Rows of a task's batch; a task of single sentences gets twice as many."""
    rate: float = 3e-4
    """Peak learning rate."""
    embedding_rate: float = 1e-4
    """Peak learning rate of the embeddings."""
    warmup_steps: int = 50
    """Steps until the peak."""
    head_entries: int = 4096
    """Most frequent entries, scored at every step."""
    sampled_entries: int = 1024
    """Rarer entries drawn at every step."""
    seed: int = 0
    """Seed of the weights and of every draw."""

    def __post_init__(self) -> None:
        """Check the shares."""
        for share in (self.masked_share_early, self.masked_share_late):
            if not 0 < share < 1:
                raise ValueError(f"masked shares must be in (0, 1), got {share}")


def masked_lm_loss(
    family: BertFamily,
    hidden: Tensor,
    targets: Tensor,
    vocabulary: CompactVocabulary,
    settings: BertSettings,
    generator: torch.Generator,
) -> Tensor:
    """Return the mean cross-entropy of the hidden tokens over sampled candidates.

    Args:
        family: The models, of which the masked-LM head is used.
        hidden: Last hidden states of the hidden tokens, (N, D).
        targets: The tokens, (N,).
        vocabulary: Their frequencies.
        settings: How many candidates.
        generator: The draw of candidates.

    Returns:
        A scalar in nats.
    """
    predictions = family.pretraining.cls.predictions
    candidates = choose_candidates(
        vocabulary.compact(targets),
        len(vocabulary.entries),
        settings.head_entries,
        settings.sampled_entries,
        generator,
    ).to(hidden.device)
    ids = vocabulary.entries.to(hidden.device)[candidates.ids]
    return vocabulary_loss(
        predictions.transform(hidden).to(hidden.dtype),
        predictions.decoder.weight[ids],
        predictions.decoder.bias[ids].float() + candidates.log_weights,
        candidates.targets,
    )


def parameter_groups(family: BertFamily, settings: BertSettings) -> list[dict[str, Any]]:
    """Return the parameters in three groups: matrices, biases and norms, embeddings."""
    module = family.module()
    embeddings = [p for p in family.pretraining.bert.embeddings.parameters() if p.requires_grad]
    taken = {id(parameter) for parameter in embeddings}
    others = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
    return [
        {"params": [p for p in others if p.ndim == 2], "peak": settings.rate, "weight_decay": 0.01},
        {"params": [p for p in others if p.ndim < 2], "peak": settings.rate, "weight_decay": 0.0},
        {"params": embeddings, "peak": settings.embedding_rate, "weight_decay": 0.0},
    ]


class BertTrainer:
    """A BERT family in training."""

    def __init__(
        self,
        family: BertFamily,
        corpora: Sequence[Documents],
        tasks: Mapping[Task, TaskRows],
        tokenizer: PreTrainedTokenizerBase,
        settings: BertSettings,
    ) -> None:
        """Set up a run at its first step.

        Args:
            family: The models.
            corpora: Pieces by document, for each corpus.
            tasks: The tasks' rows.
            tokenizer: The tokenizer.
            settings: How to train.
        """
        self.family = family
        self.step = 0
        self.tokens_seen = 0
        self.vocabulary = CompactVocabulary.count(list(_all_pieces(corpora)), len(tokenizer))
        self._corpora = corpora
        self._buckets = {task: length_buckets(rows.train) for task, rows in tasks.items()}
        self._tokenizer = tokenizer
        self._settings = settings
        self._module = family.module()
        self._optimizer = AdamW(parameter_groups(family, settings), betas=(0.9, 0.98), fused=True)

    def take_step(self, fraction_done: float) -> float:
        """Learn from a batch of pairs and a batch of one task.

        Args:
            fraction_done: How much of the run is over, 0-1.

        Returns:
            The pre-training loss in nats.
        """
        generator = step_generator(self._settings.seed, self.step)
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # for dropout
        self._module.train()
        batch = self._next_pairs(fraction_done, generator)
        device_type = self.family.pretraining.device.type
        with torch.autocast(device_type, torch.bfloat16):
            loss = self._pretraining_loss(batch, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        turns = self._settings.task_turns
        if turns:
            with torch.autocast(device_type, torch.bfloat16):
                task_loss = self._task_loss(turns[self.step % len(turns)], generator)
            task_loss.backward()  # type: ignore[no-untyped-call]
        self._update(fraction_done)
        self.step += 1
        self.tokens_seen += int(batch.attention_mask.sum())
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Return everything a later process needs to go on."""
        return {
            "model": self._module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "tokens_seen": self.tokens_seen,
            "settings": _plain(self._settings),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: The state belongs to a run with other settings.
        """
        if state["settings"] != _plain(self._settings):
            raise ValueError(f"settings must be the saved run's, got {self._settings}")
        self._module.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.tokens_seen = state["tokens_seen"]

    def _next_pairs(self, fraction_done: float, generator: torch.Generator) -> MaskedPairs:
        """Draw a batch of pairs from the corpora in their shares."""
        settings = self._settings
        shares = torch.tensor(settings.corpus_shares)
        drawn = torch.multinomial(shares, settings.pairs_per_step, replacement=True, generator=generator)
        pairs = [
            pair
            for documents, count in zip(self._corpora, drawn.bincount(minlength=len(shares)).tolist(), strict=True)
            for pair in draw_pairs(documents, count, generator, short_share=settings.short_share)
        ]
        early = fraction_done < 0.7
        share = settings.masked_share_early if early else settings.masked_share_late
        return mask_pairs([*pairs, *self._next_sentences(generator)], self._tokenizer, share, generator)

    def _next_sentences(self, generator: torch.Generator) -> list[Pair]:
        """Draw the batch's single sentences, from any corpus."""
        ends = torch.tensor([self._tokenizer.convert_tokens_to_ids(sign) for sign in SENTENCE_ENDS])
        count = round(self._settings.sentence_share * self._settings.pairs_per_step)
        places = torch.randint(len(self._corpora), (count,), generator=generator).tolist()
        return [draw_sentence(self._corpora[place], ends, generator) for place in places]

    def _pretraining_loss(self, batch: MaskedPairs, generator: torch.Generator) -> Tensor:
        """Return the masked-LM loss and the weighted next-sentence loss together."""
        model = self.family.pretraining
        device = model.device
        output = model.bert(
            input_ids=batch.input_ids.to(device),
            token_type_ids=batch.token_type_ids.to(device),
            attention_mask=batch.attention_mask.to(device),
        )
        hidden = output.last_hidden_state[batch.is_masked.to(device)].bfloat16()  # (N, D)
        masked_lm = masked_lm_loss(self.family, hidden, batch.targets, self.vocabulary, self._settings, generator)
        scores = model.cls.seq_relationship(output.pooler_output).float()
        next_sentence = functional.cross_entropy(scores, batch.labels.to(device))
        return masked_lm + self._settings.next_sentence_weight * next_sentence

    def _task_loss(self, task: Task, generator: torch.Generator) -> Tensor:
        """Return the loss of one task's batch."""
        double = 2 if task is Task.SST2 else 1
        count = double * self._settings.task_rows
        examples = draw_examples(self._buckets[task], count, generator)
        device = self.family.pretraining.device
        if task is Task.STSB:
            return self._similarity_loss(examples)
        swap = task is Task.MRPC and bool(torch.randint(2, (1,), generator=generator))
        inputs = encode_examples(examples, self._tokenizer, swap=swap).to(device)
        logits = self.family.tasks[task](**inputs).logits
        return functional.cross_entropy(logits.float(), class_labels(examples).to(device))

    def _similarity_loss(self, examples: Sequence[Example]) -> Tensor:
        """Return how far the cosine of two mean-pooled sentences is from their similarity."""
        bert = self.family.pretraining.bert
        columns = [[Example((e.texts[i],), e.label) for e in examples] for i in (0, 1)]
        sides = [encode_examples(rows, self._tokenizer).to(bert.device) for rows in columns]
        first, second = (mean_pooled(bert, side["input_ids"], side["attention_mask"]) for side in sides)
        scores = torch.tensor([e.label for e in examples], device=bert.device)
        return SIMILARITY_WEIGHT * functional.mse_loss((first * second).sum(-1), scores)

    def _update(self, fraction_done: float) -> None:
        """Move the weights by the gradients and drop these."""
        nn.utils.clip_grad_norm_(self._module.parameters(), 1.0)
        factor = learning_rate_factor(
            fraction_done, self.step, warmup_steps=self._settings.warmup_steps, decay_from=0.1
        )
        for group in self._optimizer.param_groups:
            group["lr"] = factor * group["peak"]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)


def _all_pieces(corpora: Sequence[Documents]) -> Iterator[Tensor]:
    """Yield the pieces of all documents."""
    return (piece for documents in corpora for pieces in documents for piece in pieces)


def _plain(settings: BertSettings) -> dict[str, Any]:
    """Return the settings in types that a checkpoint may hold."""
    return {**asdict(settings), "task_turns": [str(task) for task in settings.task_turns]}
