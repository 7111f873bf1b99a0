"""Teacher and student: figures equal transformers' own models, and half a BERT is what the paper says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from core.engine.lab.students import compare_students
from core.engine.networks.halving import halve, kept_layers
from core.engine.networks.head import Head
from core.errors import InputError, ModelFormatError, SettingError
from core.lab.students import HALF, CompareStudents, StudentsCompared, StudentTask
from tests.builders import EncoderBuilder
from tests.loaded import desk, evaluated

TEXT = "I went to the [MASK] to buy some [MASK]."


def compared(teacher: Path | str, student: Path | str, text: str = TEXT, **options: Any) -> StudentsCompared:
    """The answer to one question."""
    (answer,) = compare_students(desk(), CompareStudents(str(teacher), str(student), text, **options))
    return answer


@pytest.fixture(scope="module")
def teacher(build_encoder: EncoderBuilder) -> Path:
    """A tiny BERT of four layers with a masked-LM head."""
    return build_encoder("bert", Head.MASKED_LM, num_hidden_layers=4)


@pytest.fixture(scope="module")
def student(build_encoder: EncoderBuilder) -> Path:
    """A tiny DistilBERT with other weights."""
    return build_encoder("distilbert", Head.MASKED_LM)


def test_divergence_and_probabilities_equal_those_of_plain_transformers(teacher: Path, student: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(teacher)
    ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    is_mask = ids[0] == tokenizer.mask_token_id
    models = [evaluated(AutoModelForMaskedLM.from_pretrained(folder)) for folder in (teacher, student)]
    with torch.no_grad():
        taught, own = ((model(input_ids=ids).logits[0, is_mask] / 2.0).log_softmax(-1) for model in models)
    answer = compared(teacher, student, temperature=2.0, top=3)
    assert answer.task is StudentTask.MASKED_LM
    assert answer.kl == pytest.approx(
        float(functional.kl_div(own, taught, reduction="batchmean", log_target=True)), abs=1e-5
    )
    assert answer.agreement == float((taught.argmax(-1) == own.argmax(-1)).float().mean())
    for entry in answer.entries:
        id_ = tokenizer.convert_tokens_to_ids(entry.label)
        assert entry.teacher_prob == pytest.approx(float(taught[entry.mask, id_].exp()), abs=1e-6)
        assert entry.student_prob == pytest.approx(float(own[entry.mask, id_].exp()), abs=1e-6)
    for mask in range(2):
        ranks = [(entry.teacher_rank, entry.student_rank) for entry in answer.entries if entry.mask == mask]
        assert {1, 2, 3} <= {first for first, _ in ranks}
        assert {1, 2, 3} <= {second for _, second in ranks}


def test_classifiers_are_compared_label_by_label(build_encoder: EncoderBuilder) -> None:
    teacher = build_encoder("bert", Head.CLASSIFIER, id2label={0: "bad", 1: "good"})
    other = build_encoder("distilbert", Head.CLASSIFIER, id2label={0: "Good", 1: "Bad"})
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(other)
    model: Any = evaluated(AutoModelForSequenceClassification.from_pretrained(other))
    with torch.no_grad():
        good, bad = model(**tokenizer("a film", "a plot", return_tensors="pt")).logits[0].softmax(-1).tolist()
    answer = compared(teacher, other, "a film", second_text="a plot")
    assert answer.by_name
    found = {entry.label: entry.student_prob for entry in answer.entries}
    assert found == pytest.approx({"good": good, "bad": bad}, abs=1e-5)
    nameless = build_encoder("distilbert", Head.CLASSIFIER)
    assert not compared(teacher, nameless, "a film").by_name


def test_a_model_is_no_distance_from_itself(teacher: Path) -> None:
    answer = compared(teacher, teacher)
    assert answer.kl == pytest.approx(0.0, abs=1e-6)
    assert answer.agreement == 1.0
    assert answer.teacher.disk_bytes == (teacher / "model.safetensors").stat().st_size
    assert answer.teacher.parameters == answer.student.parameters
    assert min(answer.teacher.encoder_s, answer.teacher.forward_s) > 0


def test_half_a_bert_keeps_embeddings_head_and_every_other_layer(teacher: Path) -> None:
    """A student whose layers are all the teacher's is the teacher, but for the token types."""
    from transformers import BertForMaskedLM

    bert: Any = evaluated(BertForMaskedLM.from_pretrained(teacher))
    half = halve(bert)
    kept = kept_layers(4)
    assert kept == (0, 3)
    bert.bert.encoder.layer = torch.nn.ModuleList([bert.bert.encoder.layer[layer] for layer in kept])
    ids = torch.arange(1000, 1012)[None]
    with torch.no_grad():
        assert torch.allclose(half(input_ids=ids).logits, bert(input_ids=ids).logits, atol=1e-4)
    assert not {name for name, _ in half.named_parameters() if "token_type" in name or "pooler" in name}


@pytest.mark.parametrize(("layers", "kept"), [(2, (0,)), (5, (0, 3)), (6, (0, 2, 5)), (12, (0, 2, 4, 7, 9, 11))])
def test_the_layers_kept_are_those_of_the_published_code(layers: int, kept: tuple[int, ...]) -> None:
    assert kept_layers(layers) == kept


def test_halving_a_classifier_keeps_its_labels_and_draws_nothing_from_the_global_generator(
    build_encoder: EncoderBuilder,
) -> None:
    from transformers import BertForSequenceClassification

    folder = build_encoder("bert", Head.CLASSIFIER, id2label={0: "bad", 1: "good"})
    bert: Any = evaluated(BertForSequenceClassification.from_pretrained(folder))
    before = torch.get_rng_state()
    half = halve(bert)
    assert torch.equal(torch.get_rng_state(), before)
    assert half.config.id2label == {0: "bad", 1: "good"}
    assert torch.equal(half.classifier.weight, bert.classifier.weight)
    answer = compared(folder, HALF, "a film")
    assert answer.student.name == f"half of {folder}"
    assert (answer.student.layers, answer.student.disk_bytes) == (1, 0)


def test_what_cannot_be_compared_is_refused(
    teacher: Path, student: Path, build_encoder: EncoderBuilder, gpt2_folder: Path, classifier_folder: Path
) -> None:
    with pytest.raises(InputError, match=r"no \[MASK\]"):
        compared(teacher, student, "nothing hidden")
    with pytest.raises(InputError, match="empty"):
        compared(teacher, student, " ")
    with pytest.raises(InputError, match="tokens"):
        compared(teacher, student, "word " * 100 + "[MASK]")
    with pytest.raises(ModelFormatError, match="classification"):
        compared(teacher, classifier_folder)
    with pytest.raises(ModelFormatError, match="GPT2"):
        compared(gpt2_folder, HALF)
    with pytest.raises(ModelFormatError, match="cannot be halved"):
        compared(student, HALF)
    with pytest.raises(ModelFormatError, match="single layer"):
        compared(build_encoder("bert", Head.MASKED_LM, num_hidden_layers=1), HALF)
    three = build_encoder("bert", Head.CLASSIFIER, num_labels=3)
    with pytest.raises(InputError, match="2 labels"):
        compared(classifier_folder, three, "a film")
    with pytest.raises(SettingError, match="temperature"):
        compared(teacher, student, temperature=0.0)
