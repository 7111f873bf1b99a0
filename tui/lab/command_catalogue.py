"""Every command of the lab, in the order of `nlp-tui --help`."""

from __future__ import annotations

from tui.commands.parser import Command

COMMANDS = (
    Command("fill", "what stands behind each [MASK] of a text", "tui.lab.masked_lm.fill_command"),
    Command("masking", "hide tokens as in BERT's training and let it guess", "tui.lab.masked_lm.masking_command"),
    Command("wordpiece", "how WordPiece cuts words, every piece it tries", "tui.lab.wordpiece.command"),
    Command("softmax", "logits to probabilities, step by step", "tui.lab.softmax.command"),
    Command("families", "the model families of the course, and which can be tried here", "tui.lab.families.command"),
    Command("follows", "does one sentence follow another", "tui.lab.sentence_pairs.follows_command"),
    Command("rank", "which sentences of a list are most like one", "tui.lab.sentence_pairs.rank_command"),
    Command("pairs", "how alike each sentence of a list is to each other", "tui.lab.sentence_pairs.pairs_command"),
    Command("sentiment", "what a classifier makes of texts", "tui.lab.sentiment.command"),
    Command("attention", "what each token of a text looks at", "tui.lab.attention.command"),
    Command("answer", "the piece of a text that answers a question", "tui.lab.question_answering.command"),
    Command("score", "which answer a causal model finds likeliest, zero- or few-shot", "tui.lab.few_shot.command"),
    Command("compare", "teacher and student on the same input", "tui.lab.students.command"),
    Command("distil", "let half of a BERT learn from the whole", "tui.lab.distillation.command"),
    Command("finetune", "train a classifier on your own labels", "tui.lab.finetuning.command"),
    Command("eval", "how good a model is on a file", "tui.lab.evaluation.command"),
)
