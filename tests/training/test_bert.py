"""The BERT recipes: pairs, masks, the shared trunk, fine-tuning, distilling and the figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerBase,
)

from core.engine.lab.distillation.model import soft_label_loss
from tests.training.recipes import distil_student, train_bert, train_task, word_pieces
from training.bert_measures import mean_ranks, spearman
from training.bert_model import build_family
from training.bert_pack import pack_pretraining, pack_task
from training.distil_model import build_student
from training.evaluate import Material, all_figures
from training.glue import Example, Task, read_tasks, two_class_loss
from training.measures import load_bert, load_classifier
from training.paraphrases import from_cosine, from_scores, judged_pairs, neighbour_pairs
from training.sentence_pairs import (
    IS_RANDOM,
    IS_SINGLE,
    draw_pairs,
    draw_sentence,
    encode_pieces,
    mask_pairs,
)
from training.sources import mrpc_sources, taught_sources


@pytest.fixture(scope="module")
def models(tiny_data: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of models trained for a few steps each, in the recipes' order."""
    out = tmp_path_factory.mktemp("models")
    train_bert(tiny_data, tiny_encoder, out, 4)
    for task in (Task.MRPC, Task.SST2):
        train_task(tiny_data, out, task, 3)
    distil_student(tiny_data, out, 3)
    return out


def test_a_resumed_bert_ends_with_the_same_weights(
    tiny_data: Path, tiny_encoder: Path, models: Path, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.progress.Budget.fraction_done", fraction_of_four_until_two)
        train_bert(tiny_data, tiny_encoder, tmp_path, 4)
    train_bert(tiny_data, tiny_encoder, tmp_path, 4, resume=True)
    whole, resumed = (
        torch.load(folder / "bert.checkpoint.pt", weights_only=True)["model"] for folder in (models, tmp_path)
    )
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())


def fraction_of_four_until_two(_self: object, _elapsed_s: float, step: int) -> float:
    """Count as a budget of four steps does, but end after two."""
    return 1.0 if step == 2 else step / 4


def test_the_folders_load_plainly(models: Path) -> None:
    assert BertForPreTraining.from_pretrained(models / "bert").dtype == torch.float16
    assert BertForMaskedLM.from_pretrained(models / "bert")
    assert BertForNextSentencePrediction.from_pretrained(models / "bert")
    for task in ("mrpc", "sst2"):
        assert not missing_weights(BertForSequenceClassification, models / task)
    assert not missing_weights(DistilBertForMaskedLM, models / "distilbert")
    assert not missing_weights(DistilBertForSequenceClassification, models / "distilbert-sst2")


def missing_weights(model_class: Any, folder: Path) -> set[str]:
    """Return the weights that loading a folder leaves random."""
    return set(model_class.from_pretrained(folder, output_loading_info=True)[1]["missing_keys"])


def test_the_task_folders_point_to_the_words_and_the_trunk(models: Path) -> None:
    shared = {**load_file(models / "bert" / "words.safetensors"), **load_file(models / "bert" / "encoder.safetensors")}
    for task in ("mrpc", "sst2"):
        weight_map = read_weight_map(models / task)
        assert set(weight_map.values()) == {
            "../bert/words.safetensors",
            "../bert/encoder.safetensors",
            "classifier.safetensors",
        }
        assert not shared.keys() & load_file(models / task / "classifier.safetensors").keys()
        assert {n for n, f in weight_map.items() if f.startswith("..")} == shared.keys()


def test_the_student_has_its_teacher_s_words_and_one_encoder_for_both_heads(models: Path) -> None:
    teacher = BertModel.from_pretrained(models / "bert")
    masked_lm = DistilBertForMaskedLM.from_pretrained(models / "distilbert")
    sentiment = DistilBertForSequenceClassification.from_pretrained(models / "distilbert-sst2")
    words = masked_lm.distilbert.embeddings.word_embeddings.weight
    assert torch.equal(words, teacher.embeddings.word_embeddings.weight)
    assert torch.equal(masked_lm.vocab_projector.weight, words)
    encoders = (model.distilbert.state_dict().values() for model in (masked_lm, sentiment))
    assert all(torch.equal(one, other) for one, other in zip(*encoders, strict=True))
    files = set(read_weight_map(models / "distilbert-sst2").values())
    assert files == {"../bert/words.safetensors", "../distilbert/encoder.safetensors", "classifier.safetensors"}


def read_weight_map(folder: Path) -> dict[str, str]:
    """Return the file of each weight."""
    index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
    weight_map: dict[str, str] = index["weight_map"]
    return weight_map


def test_fine_tuning_changes_the_own_layers_alone(tiny_data: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    train_bert(tiny_data, tiny_encoder, tmp_path, 1)
    trunk = (tmp_path / "bert" / "encoder.safetensors").read_bytes()
    before = load_file(tmp_path / "mrpc" / "classifier.safetensors")
    train_task(tiny_data, tmp_path, Task.MRPC, 2)
    after = load_file(tmp_path / "mrpc" / "classifier.safetensors")
    assert (tmp_path / "bert" / "encoder.safetensors").read_bytes() == trunk
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"classifier.weight", "bert.pooler.dense.weight"} <= changed


def test_a_packed_tokenizer_neither_cuts_nor_fills_up(models: Path) -> None:
    for name in ("bert", "mrpc", "sst2"):
        written = json.loads((models / name / "tokenizer.json").read_text(encoding="utf-8"))
        assert (written["truncation"], written["padding"]) == (None, None)


def test_fine_tuning_goes_on_where_it_stopped(tiny_data: Path, models: Path) -> None:
    checkpoint = models / "sst2.checkpoint.pt"
    assert torch.load(checkpoint, weights_only=True)["step"] == 3
    train_task(tiny_data, models, Task.SST2, 4, resume=True)
    assert torch.load(checkpoint, weights_only=True)["step"] == 4


def test_layers_that_bert_lacks_cannot_be_shared(tiny_data: Path, models: Path) -> None:
    with pytest.raises(ValueError, match="--own-layers must be 2 or more"):
        train_task(tiny_data, models, Task.SST2, 1, own_layers=1)


def test_the_members_of_a_family_share_the_trunk(tiny_encoder: Path) -> None:
    family = build_family(tiny_encoder, own_layers=1, seed=0)
    trunk, branch = family.pretraining.bert, family.tasks[Task.MRPC].bert
    assert branch.embeddings is trunk.embeddings
    assert branch.encoder.layer[0] is trunk.encoder.layer[0]
    assert branch.encoder.layer[1] is not trunk.encoder.layer[1]


def test_a_student_of_all_layers_does_what_its_teacher_does(tiny_encoder: Path) -> None:
    teacher = build_family(tiny_encoder, own_layers=1, seed=0).pretraining
    student = build_student(teacher, seed=0).masked_lm
    ids = torch.randint(5, 40, (2, 12))
    teacher.bert.encoder.layer = teacher.bert.encoder.layer[:1]  # the layer that the student leaves out
    teacher.train(False)
    student.train(False)
    torch.testing.assert_close(student(ids).logits, teacher(ids).prediction_logits, rtol=1e-4, atol=1e-4)


def test_random_seconds_come_from_another_document(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    words = ["the cat sat", "a dog ran", "big red bird"]
    pieces = encode_pieces([" ".join([text] * 60) for text in words], bert_tokenizer)
    pairs = draw_pairs(pieces, 60, torch.Generator().manual_seed(0), short_share=0.5)
    for pair in pairs:
        strangers = not set(pair.first.tolist()) & set(pair.second.tolist())
        assert strangers == (pair.label == IS_RANDOM)


def test_a_single_sentence_is_whole_and_has_no_partner(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    pieces = encode_pieces(["the cat sat on the mat. a dog ran to the big red bird! why? " * 20] * 2, bert_tokenizer)
    ends = torch.tensor(bert_tokenizer.convert_tokens_to_ids([".", "!", "?"]))
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_sentence(pieces, ends, generator) for _ in range(30)]
    assert {bert_tokenizer.decode(pair.first) for pair in drawn} <= {
        "the cat sat on the mat.",
        "a dog ran to the big red bird!",
    }
    batch = mask_pairs(drawn, bert_tokenizer, 0.15, generator)
    assert batch.labels.tolist() == [IS_SINGLE] * 30
    assert int(batch.token_type_ids.sum()) == 0


def test_masks_hide_text_alone_in_the_paper_s_shares(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    pieces = encode_pieces(["the cat sat on the mat " * 30] * 2, bert_tokenizer)
    generator = torch.Generator().manual_seed(0)
    pairs = draw_pairs(pieces, 200, generator)
    batch = mask_pairs(pairs, bert_tokenizer, 0.15, generator)
    special = {bert_tokenizer.cls_token_id, bert_tokenizer.sep_token_id, bert_tokenizer.pad_token_id}
    assert not special & set(batch.targets.tolist())
    share = len(batch.targets) / int(batch.attention_mask.sum())
    masked = batch.input_ids[batch.is_masked] == bert_tokenizer.mask_token_id
    assert share == pytest.approx(0.15, abs=0.02)
    assert masked.float().mean() == pytest.approx(0.8, abs=0.04)
    restored = batch.input_ids.masked_scatter(batch.is_masked, batch.targets)
    for row, pair in zip(restored, pairs, strict=True):
        assert row[1 : 1 + len(pair.first)].tolist() == pair.first.tolist()


def test_training_rows_that_recur_in_a_dev_set_are_dropped(tiny_data: Path, tmp_path: Path) -> None:
    clean = read_tasks(tiny_data)
    twin = clean[Task.STSB].dev[0].texts
    for name in ("MRPC", "SST-2", "STS-B"):
        (tmp_path / "glue" / name).mkdir(parents=True)
        for part in ("train", "dev"):
            text = (tiny_data / "glue" / name / f"{part}.tsv").read_text(encoding="utf-8")
            if (name, part) == ("MRPC", "train"):
                text += f"1\t1\t2\t{twin[1].upper()}\t{twin[0]}\n"
            (tmp_path / "glue" / name / f"{part}.tsv").write_text(text, encoding="utf-8")
    assert read_tasks(tmp_path)[Task.MRPC].train == clean[Task.MRPC].train


def test_scores_and_cosines_become_likely_paraphrases() -> None:
    scored = from_scores([Example(("a", "b"), label) for label in (0.0, 0.48, 1.0)])
    assert [row.label for row in scored] == pytest.approx([0.008, 0.5, 0.994], abs=1e-3)
    labels = [from_cosine("a", "b", cosine).label for cosine in (0.1, 0.42, 0.9)]
    assert labels == pytest.approx([0.011, 0.5, 0.999], abs=1e-3)


def test_soft_labels_cost_what_hard_ones_do_at_the_ends() -> None:
    logits = torch.randn(4, 2)
    rows = [Example(("a", "b"), label) for label in (0.0, 1.0, 1.0, 0.0)]
    hard = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1, 0]))
    assert float(two_class_loss(logits, rows)) == pytest.approx(float(hard), abs=1e-6)


def test_neighbours_are_no_row_of_a_dev_set(tiny_data: Path, tiny_encoder: Path) -> None:
    sentences = ["the cat sat on the mat", "a dog ran", "the big red bird", "a cat ran on the mat"]
    measured = frozenset({Example(("a dog ran", "the big red bird"), 1.0).key})
    pairs = neighbour_pairs(sentences, tiny_encoder, word_pieces(tiny_data), measured, 0)
    assert {text for pair in pairs for text in pair.texts} <= set(sentences)
    assert not measured & {pair.key for pair in pairs}
    assert neighbour_pairs(sentences, tiny_encoder, word_pieces(tiny_data), measured, 0) == pairs


def test_shared_layers_are_not_replaced(
    tiny_data: Path, tiny_encoder: Path, tiny_wordnet: Path, tmp_path: Path
) -> None:
    train_bert(tiny_data, tiny_encoder, tmp_path, 1)
    tokenizer, model = word_pieces(tiny_data), load_classifier(tmp_path / "mrpc")
    assert isinstance(model, BertForSequenceClassification)
    pack_pretraining(load_bert(tmp_path / "bert"), tokenizer, tmp_path / "bert", 1)
    pack_task(model, tokenizer, tmp_path / "mrpc", 1)
    with pytest.raises(ValueError, match="--own-layers must be 2, got 1"):
        train_task(tiny_data, tmp_path, Task.MRPC, 2, own_layers=1, encoder=tiny_encoder, wordnet=tiny_wordnet)


def test_teachers_judge_pairs_in_both_orders(tiny_data: Path, models: Path) -> None:
    tokenizer, teacher = word_pieces(tiny_data), load_classifier(models / "mrpc")
    pairs = [Example(("a cat sat", "the dog ran on the hill"), 0.0), Example(("a bird", "a bird"), 0.0)]
    judged = judged_pairs(pairs, [teacher, teacher], tokenizer)
    assert [pair.texts for pair in judged] == [pair.texts for pair in pairs]
    for pair in judged:
        shares = []
        for texts in (pair.texts, pair.texts[::-1]):
            with torch.no_grad():
                shares.append(float(teacher(**tokenizer(*texts, return_tensors="pt")).logits.softmax(-1)[0, 1]))
        assert pair.label == pytest.approx(sum(shares) / 2, abs=5e-3)  # in bfloat16


def test_teachers_add_pairs_of_the_task_s_own_sentences(
    tiny_data: Path, tiny_encoder: Path, tiny_wordnet: Path, models: Path
) -> None:
    rows = read_tasks(tiny_data)
    sources = mrpc_sources(tiny_data, tiny_encoder, tiny_wordnet, rows, 0)
    taught = taught_sources(tiny_data, tiny_encoder, [models / "mrpc"], rows, sources, 0)
    assert sum(source.share for source in taught) == pytest.approx(1)
    own = {text for row in rows[Task.MRPC].train for text in row.texts}
    assert {text for row in taught[-1].rows for text in row.texts} <= own
    assert not {row.key for row in taught[-1].rows} & {row.key for row in rows[Task.MRPC].dev}


def test_paraphrases_can_have_every_layer_for_themselves(
    tiny_data: Path, tiny_encoder: Path, tiny_wordnet: Path, tmp_path: Path
) -> None:
    train_bert(tiny_data, tiny_encoder, tmp_path, 1)
    train_task(tiny_data, tmp_path, Task.MRPC, 2, encoder=tiny_encoder, wordnet=tiny_wordnet)
    weight_map = read_weight_map(tmp_path / "mrpc")
    assert not [n for n, file in weight_map.items() if ".layer." in n and file != "classifier.safetensors"]
    assert not missing_weights(BertForSequenceClassification, tmp_path / "mrpc")


def test_soft_labels_cost_nothing_once_they_are_matched() -> None:
    logits = torch.randn(5, 7)
    assert float(soft_label_loss(logits, logits, 2.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(soft_label_loss(logits, -logits, 2.0)) > 0.1


def test_equal_values_share_their_rank() -> None:
    assert mean_ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    assert spearman(np.array([1.0, 2.0, 9.0]), np.array([2.0, 3.0, 4.0])) == pytest.approx(1.0)


def test_the_table_holds_every_figure(tiny_data: Path, models: Path) -> None:
    figures = list(all_figures(models, Material.read(tiny_data), ["bert", "mrpc", "sst2", "distilbert"]))
    assert {figure.model for figure in figures} == {"bert", "mrpc", "sst2", "distilbert", "distilbert-sst2", "all"}
    assert {"next sentence accuracy", "dev F1", "speed-up at batch 32", "size"} <= {f.name for f in figures}


def test_a_packed_classifier_answers(tiny_data: Path, models: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(models / "mrpc", dtype=torch.float32)
    inputs = word_pieces(tiny_data)("a cat sat", "a dog ran", return_tensors="pt")
    assert model(**inputs).logits.shape == (1, 2)
    assert model.config.id2label == {0: "not_equivalent", 1: "equivalent"}
    assert BertModel.from_pretrained(models / "bert").config.num_hidden_layers == 2
