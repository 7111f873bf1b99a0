"""Fine-tune a task's own layers on a finished trunk: `python -m training.tasks --help`.

Takes OUT/mrpc and OUT/sst2 as training.bert packed them, trains what they do not share with
OUT/bert and packs them again; OUT/TASK.checkpoint.pt lets it resume. Invariant: what is shared is
never changed, so bert and the other task keep their figures.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW
from transformers import BertForSequenceClassification, BertModel, PreTrainedTokenizerBase

from training.bert_cards import write_task_card
from training.bert_model import LABELS, shared_names
from training.bert_pack import pack_task
from training.cards import run_facts
from training.command_line import recipe_parser
from training.glue import (
    Example,
    Task,
    draw_examples,
    encode_examples,
    length_buckets,
    read_tasks,
    two_class_loss,
)
from training.loop import fit
from training.measures import load_classifier, load_tokenizer
from training.packing import INDEX_NAME
from training.progress import Budget, learning_rate_factor, step_generator
from training.sources import Source, mrpc_sources, taught_sources

COMMAND = "python -m training.tasks --data DIR --out DIR"
MINUTES_SHARE = {Task.MRPC: 0.4, Task.SST2: 0.6}


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """How a task's own layers are fine-tuned."""

    rows_per_step: int = 32
    """Rows of one batch."""
    own_layers: int = 3
    """Last layers that the task has for itself, pooler and classifier beside them."""
    rate: float = 2e-4
    """Peak learning rate of the last layer."""
    layer_decay: float = 0.9
    """Each layer's learning rate as a share of the next one's."""
    dropout: float = 0.1
    """Share of states dropped."""
    warmup_steps: int = 40
    """Steps until the peak."""
    seed: int = 0
    """Seed of the order of the rows and of dropout."""


def own_layers(folder: Path) -> int:
    """Return how many layers a packed task model does not share."""
    index = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
    own = (name for name, file in index["weight_map"].items() if ".layer." in name and not file.startswith(".."))
    return len({name.split(".")[3] for name in own})


def start_from_encoder(model: BertForSequenceClassification, encoder: Path) -> None:
    """Give a classifier an encoder's layers and pooler, and forget its classes; the word embeddings stay."""
    source = BertModel.from_pretrained(encoder, dtype=torch.float32)
    model.bert.encoder.load_state_dict(source.encoder.state_dict())
    if model.bert.pooler is not None and source.pooler is not None:
        model.bert.pooler.load_state_dict(source.pooler.state_dict())
    with torch.no_grad():
        model.classifier.weight.normal_(std=model.config.initializer_range)
        model.classifier.bias.zero_()


def start_from_mean(model: BertForSequenceClassification, folders: Sequence[Path]) -> None:
    """Give a classifier the mean of others' weights, which began as the same ones (Wortsman et al. 2022)."""
    weights = [load_classifier(folder).state_dict() for folder in folders]
    model.load_state_dict({name: torch.stack([w[name] for w in weights]).mean(0) for name in weights[0]})


class TaskTrainer:
    """A classifier whose own layers are in training."""

    def __init__(
        self,
        model: BertForSequenceClassification,
        sources: Sequence[Source],
        tokenizer: PreTrainedTokenizerBase,
        settings: TaskSettings,
    ) -> None:
        """Set up a run at its first step.

        Args:
            model: The classifier; all but its own weights are frozen.
            sources: Rows to learn from.
            tokenizer: The tokenizer.
            settings: How to train.
        """
        self.model = model
        self.step = 0
        self._shares = torch.tensor([source.share for source in sources])
        self._buckets = [length_buckets(source.rows) for source in sources]
        self._tokenizer = tokenizer
        self._settings = settings
        named = dict(model.named_parameters())
        shared = set(shared_names(model.config, list(named), settings.own_layers))
        self._own = {name: parameter for name, parameter in named.items() if name not in shared}
        for name, parameter in named.items():
            parameter.requires_grad_(name in self._own)
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
        self._optimizer = AdamW(list(self._groups()), weight_decay=0.01, fused=True)

    def take_step(self, fraction_done: float) -> float:
        """Learn from one batch and return its loss in nats."""
        settings = self._settings
        generator = step_generator(settings.seed, self.step)
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # for dropout
        self.model.train()
        source = int(torch.multinomial(self._shares, 1, generator=generator))
        examples = draw_examples(self._buckets[source], settings.rows_per_step, generator)
        swap = len(examples[0].texts) > 1 and bool(torch.randint(2, (1,), generator=generator))
        inputs = encode_examples(examples, self._tokenizer, swap=swap).to(self.model.device)
        with torch.autocast(self.model.device.type, torch.bfloat16):
            logits = self.model(**inputs).logits
        loss = two_class_loss(logits, examples)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._own.values(), 1.0)
        factor = learning_rate_factor(fraction_done, self.step, warmup_steps=settings.warmup_steps, decay_from=0.1)
        for group in self._optimizer.param_groups:
            group["lr"] = factor * settings.rate * group["share_of_rate"]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Return everything a later process needs to go on."""
        return {
            "own": {name: parameter.detach() for name, parameter in self._own.items()},
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "settings": asdict(self._settings),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: The state belongs to a run with other settings.
        """
        if state["settings"] != asdict(self._settings):
            raise ValueError(f"settings must be the saved run's, got {self._settings}")
        self.model.load_state_dict({**self.model.state_dict(), **state["own"]})
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def _groups(self) -> Iterator[dict[str, Any]]:
        """Yield the own weights by layer, each with its share of the learning rate."""
        layers = self.model.config.num_hidden_layers
        for layer in range(layers):
            inside = [p for name, p in self._own.items() if f".layer.{layer}." in name]
            if inside:
                yield {"params": inside, "share_of_rate": self._settings.layer_decay ** (layers - 1 - layer)}
        yield {"params": [p for name, p in self._own.items() if ".layer." not in name], "share_of_rate": 1.0}


def run(
    task: Task,
    sources: Sequence[Source],
    dev: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    budget: Budget,
    settings: TaskSettings,
    *,
    initial: Sequence[Path] = (),
    device: str = "cpu",
    resume: bool = False,
    options: str = "",
) -> None:
    """Fine-tune one task's own layers, or go on with it, and pack the result.

    Args:
        task: The task.
        sources: Rows to learn from.
        dev: Rows to measure on.
        tokenizer: The uncased WordPiece tokenizer.
        out: Folder of the packed models and of the checkpoint.
        budget: When to stop.
        settings: How to train.
        initial: Folder of an encoder that every layer starts from, or of classifiers whose mean it is; empty for
            the packed weights.
        device: Where to train.
        resume: Go on from the checkpoint in `out`.
        options: Of the command line, for the card.

    Raises:
        ValueError: The task's folder has more layers of its own than it is to have, or shares layers although it is to
            start from others.
    """
    folder = out / str(task)
    if settings.own_layers < (least := own_layers(folder)):
        raise ValueError(
            f"{folder} has {least} layers of its own, which bert lacks: --own-layers must be {least} or more"
        )
    model = load_classifier(folder)
    if not isinstance(model, BertForSequenceClassification):
        raise TypeError(f"{folder} must hold a BERT classifier, got {type(model).__name__}")
    if initial and settings.own_layers < (layers := model.config.num_hidden_layers):
        raise ValueError(f"--init changes every layer, so --own-layers must be {layers}, got {settings.own_layers}")
    if len(initial) == 1:
        torch.manual_seed(settings.seed)
        start_from_encoder(model, initial[0])
    elif initial:
        start_from_mean(model, initial)
    model.set_attn_implementation("eager")
    model.to(device)  # type: ignore[arg-type]
    trainer = TaskTrainer(model, sources, tokenizer, settings)
    clock = fit(trainer, budget, out / f"{task}.checkpoint.pt", name=str(task), resume=resume)
    pack_task(model, tokenizer, folder, settings.own_layers)
    facts = run_facts(f"{COMMAND} --only {task}{options}", budget, trainer.step, clock, device) | {
        "before that": "trained with the starter BERT, see its card",
        "trained here": f"last {settings.own_layers} layer(s), pooler and classifier (AdamW)",
        "batches from each source": ", ".join(f"{source.share:.0%} of {len(source.rows):,} rows" for source in sources),
    }
    write_task_card(folder, task, dev, tokenizer, facts)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = recipe_parser("training.tasks", __doc__, minutes="running time of all tasks together")
    parser.add_argument("--only", choices=[str(task) for task in LABELS], help="one task alone")
    parser.add_argument(
        "--init", type=Path, nargs="+", default=[], help="an encoder to start from, or classifiers to start between"
    )
    parser.add_argument("--encoder", type=Path, help="MRPC: learn from this BERT's cosines and from WordNet, too")
    parser.add_argument("--wordnet", type=Path, help="WordNet's dict folder, needed with --encoder")
    parser.add_argument("--own-layers", type=int, default=TaskSettings().own_layers, help="last layers (%(default)s)")
    parser.add_argument("--rate", type=float, default=TaskSettings().rate, help="peak learning rate (%(default)g)")
    parser.add_argument(
        "--teachers", type=Path, nargs="+", default=[], help="with --encoder: classifiers to learn from"
    )
    options = parser.parse_args(arguments)
    if (options.encoder is None) != (options.wordnet is None):
        parser.error("--encoder and --wordnet go together")
    return options


def main() -> None:
    """Run the recipe from the command line."""
    options = parse_arguments()
    rows = read_tasks(options.data)
    tokenizer = load_tokenizer(options.data / "tokenizers" / "bert-base-uncased")
    settings = replace(TaskSettings(), rate=options.rate, seed=options.seed, own_layers=options.own_layers)
    for task in [Task(options.only)] if options.only else LABELS:
        share = 1.0 if options.only else MINUTES_SHARE[task]
        sources = [Source(1.0, rows[task].train)]
        said = f" --own-layers {settings.own_layers} --rate {settings.rate:g}"
        if options.encoder and task is Task.MRPC:
            sources = mrpc_sources(options.data, options.encoder, options.wordnet, rows, settings.seed)
            said += " --encoder DIR --wordnet DIR"
            if options.teachers:
                sources = taught_sources(options.data, options.encoder, options.teachers, rows, sources, settings.seed)
                said += " --teachers" + " DIR" * len(options.teachers)
        said += " --init" * bool(options.init) + " DIR" * len(options.init)
        run(
            task,
            sources,
            rows[task].dev,
            tokenizer,
            options.out,
            Budget(share * options.minutes, options.steps),
            settings,
            initial=options.init,
            device=options.device,
            resume=options.resume,
            options=said,
        )


if __name__ == "__main__":
    main()
