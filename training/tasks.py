"""Fine-tune the task models' own layers on a finished trunk: `python -m training.tasks --help`.

Takes OUT/mrpc and OUT/sst2 as training.bert packed them, trains what they do not share with
OUT/bert and packs them again; OUT/TASK.checkpoint.pt lets it resume. Invariant: the trunk is never
changed, so bert and the other task keep their figures.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.optim import AdamW
from transformers import BertForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from training.bert_cards import write_task_card
from training.bert_model import LABELS, build_branch
from training.bert_pack import pack_task
from training.cards import run_facts
from training.command_line import recipe_parser
from training.glue import (
    Example,
    Task,
    TaskRows,
    as_paraphrases,
    class_labels,
    draw_examples,
    encode_examples,
    length_buckets,
    read_tasks,
)
from training.loop import fit
from training.measures import load_bert, load_classifier, load_tokenizer
from training.packing import INDEX_NAME
from training.progress import Budget, learning_rate_factor, step_generator

COMMAND = "python -m training.tasks --data DIR --out DIR"
MINUTES_SHARE = {Task.MRPC: 0.4, Task.SST2: 0.6}


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """How a task's own layers are fine-tuned."""

    rows_per_step: int = 32
    """Rows of one batch."""
    rate: float = 2e-4
    """Peak learning rate."""
    warmup_steps: int = 20
    """Steps until the peak."""
    seed: int = 0
    """Seed of the order of the rows and of dropout."""


def own_weight_names(folder: Path) -> set[str]:
    """Return the weights that a packed task model does not share."""
    index = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
    return {name for name, file in index["weight_map"].items() if not file.startswith("..")}


class TaskTrainer:
    """A classifier whose own layers are in training."""

    def __init__(
        self,
        model: BertForSequenceClassification,
        own_names: set[str],
        examples: Sequence[Example],
        tokenizer: PreTrainedTokenizerBase,
        settings: TaskSettings,
    ) -> None:
        """Set up a run at its first step.

        Args:
            model: The classifier; all but its own weights are frozen.
            own_names: The weights to train.
            examples: Rows to learn from.
            tokenizer: The tokenizer.
            settings: How to train.
        """
        self.model = model
        self.step = 0
        self._buckets = length_buckets(examples)
        self._tokenizer = tokenizer
        self._settings = settings
        self._own = {n: p for n, p in model.named_parameters() if n in own_names}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in own_names)
        self._optimizer = AdamW(list(self._own.values()), weight_decay=0.01, fused=True)

    def take_step(self, fraction_done: float) -> float:
        """Learn from one batch and return its loss in nats."""
        settings = self._settings
        generator = step_generator(settings.seed, self.step)
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # for dropout
        self.model.train()
        examples = draw_examples(self._buckets, settings.rows_per_step, generator)
        swap = len(examples[0].texts) > 1 and bool(torch.randint(2, (1,), generator=generator))
        inputs = encode_examples(examples, self._tokenizer, swap=swap).to(self.model.device)
        with torch.autocast(self.model.device.type, torch.bfloat16):
            logits = self.model(**inputs).logits
        labels = class_labels(examples).to(logits.device)
        loss = functional.cross_entropy(logits.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._own.values(), 1.0)
        factor = learning_rate_factor(fraction_done, self.step, warmup_steps=settings.warmup_steps, decay_from=0.1)
        for group in self._optimizer.param_groups:
            group["lr"] = factor * settings.rate
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


def run(
    task: Task,
    rows: TaskRows,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    budget: Budget,
    settings: TaskSettings,
    *,
    device: str = "cpu",
    resume: bool = False,
    from_bert: bool = False,
) -> None:
    """Fine-tune one task's own layers, or go on with it, and pack the result.

    Args:
        task: The task.
        rows: Its rows.
        tokenizer: The uncased WordPiece tokenizer.
        out: Folder of the packed models and of the checkpoint.
        budget: When to stop.
        settings: How to train.
        device: Where to train.
        resume: Go on from the checkpoint in `out`.
        from_bert: Start with copies of BERT's own last layers, which know the other tasks, too.
    """
    folder = out / str(task)
    own_names = own_weight_names(folder)
    own_layers = len({name.split(".")[3] for name in own_names if ".layer." in name})
    model: PreTrainedModel
    if from_bert:
        torch.manual_seed(settings.seed)
        model = build_branch(load_bert(out / "bert").bert, task, own_layers)
    else:
        model = load_classifier(folder)
    if not isinstance(model, BertForSequenceClassification):
        raise TypeError(f"{folder} must hold a BERT classifier, got {type(model).__name__}")
    model.to(device)  # type: ignore[arg-type]
    trainer = TaskTrainer(model, own_names, rows.train, tokenizer, settings)
    checkpoint = out / f"{task}.checkpoint.pt"
    clock = fit(trainer, budget, checkpoint, name=str(task), resume=resume)
    pack_task(model, tokenizer, folder, own_layers)
    start = " --from-bert" if from_bert else ""
    facts = run_facts(f"{COMMAND} --only {task}{start}", budget, trainer.step, clock, device) | {
        "before that": f"{'copied from' if from_bert else 'trained with'} the starter BERT, see its card",
        "trained here": f"last {own_layers} layer(s), pooler and classifier (AdamW)",
    }
    write_task_card(folder, task, rows.dev, tokenizer, facts)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = recipe_parser("training.tasks", __doc__, minutes="running time of all tasks together")
    parser.add_argument("--only", choices=[str(task) for task in LABELS], help="one task alone")
    parser.add_argument("--from-bert", action="store_true", help="start with copies of BERT's last layers")
    parser.add_argument("--with-stsb", action="store_true", help="MRPC: learn the sure pairs of STS-B, too")
    parser.add_argument("--rate", type=float, default=TaskSettings().rate, help="peak learning rate (%(default)g)")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the recipe from the command line."""
    options = parse_arguments()
    rows = read_tasks(options.data)
    tokenizer = load_tokenizer(options.data / "tokenizers" / "bert-base-uncased")
    for task in [Task(options.only)] if options.only else LABELS:
        share = 1.0 if options.only else MINUTES_SHARE[task]
        budget = Budget(share * options.minutes, options.steps)
        settings = TaskSettings(rate=options.rate, seed=options.seed)
        learnt = rows[task]
        if options.with_stsb and task is Task.MRPC:
            learnt = TaskRows((*learnt.train, *as_paraphrases(rows[Task.STSB].train)), learnt.dev)
        run(
            task,
            learnt,
            tokenizer,
            options.out,
            budget,
            settings,
            device=options.device,
            resume=options.resume,
            from_bert=options.from_bert,
        )


if __name__ == "__main__":
    main()
