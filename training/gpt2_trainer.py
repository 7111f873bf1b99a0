"""One GPT-2 training run as a state that steps, saves and comes back.

Knows the model, its optimizers and its batches; reads no command line and writes no model folder.
Invariant: a trainer restored from `state()` takes the same steps as the one that was saved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Muon, Optimizer
from transformers import GPT2Config, GPT2LMHeadModel

from training.progress import learning_rate_factor, step_generator
from training.token_stream import TokenStream
from training.vocabulary_loss import choose_candidates, vocabulary_loss


@dataclass(frozen=True, slots=True)
class Gpt2Settings:
    """What is trained and how."""

    width: int = 256
    """Width of the hidden states, D."""
    layers: int = 6
    """Transformer blocks."""
    heads: int = 4
    """Attention heads, H."""
    positions: int = 512
    """Longest input in tokens."""
    tokens_per_step: int = 4096
    """Tokens of one batch, B * T."""
    early_lengths: tuple[int, ...] = (256,)
    """Row lengths T that take turns in the first half of the run."""
    late_lengths: tuple[int, ...] = (256, 256, 256, 512)
    """Row lengths T that take turns in the second half."""
    story_share: float = 0.45
    """Share of the first stream in every batch, 0-1."""
    head_entries: int = 4096
    """Most frequent entries, scored at every step."""
    sampled_entries: int = 1024
    """Rarer entries drawn at every step."""
    matrix_rate: float = 1e-2
    """Peak learning rate of the blocks' matrices (Muon)."""
    other_rate: float = 6e-3
    """Peak learning rate of everything else (AdamW)."""
    weight_decay: float = 0.1
    """Weight decay of the matrices."""
    warmup_steps: int = 60
    """Steps until the peak."""
    decay_from: float = 0.3
    """Where the rates start to fall, as a share of the run."""
    seed: int = 0
    """Seed of the weights, the order of the text and the sampled entries."""

    def __post_init__(self) -> None:
        """Check what no other place would notice."""
        for length in (*self.early_lengths, *self.late_lengths):
            if not 0 < length <= self.positions:
                raise ValueError(f"row lengths must be in 1-{self.positions}, got {length}")
        if not 0 <= self.story_share <= 1:
            raise ValueError(f"story_share must be in [0, 1], got {self.story_share}")

    def at_rate(self, factor: float) -> "Gpt2Settings":
        """Return the same settings with both peak learning rates multiplied, as going on from trained weights wants.

        Raises:
            ValueError: The factor is not above 0.
        """
        if not factor > 0:
            raise ValueError(f"the rate factor must be above 0, got {factor}")
        return replace(self, matrix_rate=factor * self.matrix_rate, other_rate=factor * self.other_rate)


def build_model(settings: Gpt2Settings, vocabulary_size: int) -> GPT2LMHeadModel:
    """Return an untrained GPT-2 whose last vocabulary entry has no special meaning."""
    torch.manual_seed(settings.seed)
    config = GPT2Config(
        vocab_size=vocabulary_size,
        n_positions=settings.positions,
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.heads,
        activation_function="gelu_pytorch_tanh",  # the same function as gelu_new, in one kernel
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    return GPT2LMHeadModel(config)


def build_optimizers(model: GPT2LMHeadModel, settings: Gpt2Settings) -> tuple[Optimizer, ...]:
    """Return Muon for the blocks' matrices and AdamW for embeddings, norms and biases."""
    blocks = list(model.transformer.h.parameters())
    matrices = [p for p in blocks if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    muon = Muon(
        matrices,
        lr=settings.matrix_rate,
        weight_decay=settings.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    adam = AdamW(others, lr=settings.other_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return muon, adam


class Gpt2Trainer:
    """A model in training."""

    def __init__(self, model: GPT2LMHeadModel, streams: Sequence[TokenStream], settings: Gpt2Settings) -> None:
        """Set up a run at its first step.

        Args:
            model: The model, over compact ids.
            streams: Stories, then books.
            settings: What to train and how.
        """
        self.model = model
        self.step = 0
        self.tokens_seen = 0
        self._streams = streams
        self._settings = settings
        self._cursors = [0 for _ in streams]
        self._optimizers = build_optimizers(model, settings)
        self._peaks = (settings.matrix_rate, settings.other_rate)

    def take_step(self, fraction_done: float) -> float:
        """Learn from one batch.

        Args:
            fraction_done: How much of the run is over, 0-1.

        Returns:
            The batch's loss in nats for each token.
        """
        settings = self._settings
        inputs, targets = self._next_batch(fraction_done)  # (B, T)
        device = self.model.device
        candidates = choose_candidates(
            targets.flatten(),
            self.model.config.vocab_size,
            settings.head_entries,
            settings.sampled_entries,
            step_generator(settings.seed, self.step),
        ).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            hidden = self.model.transformer(input_ids=inputs.to(device)).last_hidden_state
            loss = vocabulary_loss(
                hidden.flatten(0, 1).bfloat16(),
                self.model.transformer.wte.weight[candidates.ids],
                candidates.log_weights,
                candidates.targets,
            )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._update(fraction_done)
        self.step += 1
        self.tokens_seen += inputs.numel()
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Return everything a later process needs to go on."""
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "cursors": list(self._cursors),
            "step": self.step,
            "tokens_seen": self.tokens_seen,
            "settings": asdict(self._settings),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: The state belongs to a run with other settings.
        """
        if state["settings"] != asdict(self._settings):
            raise ValueError(f"settings must be the saved run's, got {self._settings}")
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._cursors = list(state["cursors"])
        self.step = state["step"]
        self.tokens_seen = state["tokens_seen"]

    def _next_batch(self, fraction_done: float) -> tuple[Tensor, Tensor]:
        """Read rows from every stream in the settings' shares and move on."""
        settings = self._settings
        lengths = settings.early_lengths if fraction_done < 0.5 else settings.late_lengths
        length = lengths[self.step % len(lengths)]
        rows = max(2, settings.tokens_per_step // length)
        first = round(settings.story_share * rows)
        parts = []
        for index, count in enumerate((first, rows - first)):
            if count:
                parts.append(self._streams[index].read_rows(self._cursors[index], count, length))
                self._cursors[index] += count * length
        inputs, targets = zip(*parts, strict=True)
        return torch.cat(inputs), torch.cat(targets)

    def _update(self, fraction_done: float) -> None:
        """Move the weights by the gradients and drop these."""
        factor = learning_rate_factor(
            fraction_done,
            self.step,
            warmup_steps=self._settings.warmup_steps,
            decay_from=self._settings.decay_from,
        )
        for optimizer, peak in zip(self._optimizers, self._peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = factor * peak
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
