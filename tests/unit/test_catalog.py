"""The catalog's rows: complete, sourced, and in step with the libraries they describe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from vramwise.catalog import (
    BUILTIN,
    default_language,
    language,
    languages,
    ocr_model,
    ocr_models,
    recogniser,
    recognisers,
)
from vramwise.errors import VramwiseError


def test_every_row_says_where_it_comes_from_and_when() -> None:
    for row in (*ocr_models(), *languages(), *recognisers()):
        assert row.source and re.fullmatch(r"20\d\d-\d\d-\d\d", row.date), row


def test_ids_are_unique_and_languages_lead_somewhere() -> None:
    for rows, key in ((ocr_models(), "id"), (recognisers(), "id"), (languages(), "code")):
        values = [getattr(row, key) for row in rows]
        assert len(values) == len(set(values))
    known = {row.id for row in recognisers()} | {BUILTIN, ""}
    for row in languages():
        assert row.recogniser in known and re.fullmatch(r"[a-z]{3}(_[a-z]+)?", row.tesseract), row


def test_recognisers_are_those_of_the_installed_rapidocr() -> None:
    import rapidocr
    import yaml

    catalogue = yaml.safe_load(
        (Path(rapidocr.__file__).parent / "default_models.yaml").read_text(encoding="utf-8")
    )
    theirs = catalogue["onnxruntime"]["PP-OCRv5"]["rec"]
    for row in recognisers():
        entry = theirs[row.file.removesuffix(".onnx")]
        assert entry["SHA256"] == row.sha256, (
            f"{row.id}: rapidocr's catalogue has moved on; update recognisers.csv"
        )


def test_the_size_of_the_built_in_weights_is_what_the_wheel_carries() -> None:
    from vramwise.ocr.engines.rapid import BUILTIN_CLS, BUILTIN_DET, BUILTIN_REC, builtin_models

    folder = builtin_models()
    size = sum((folder / name).stat().st_size for name in (BUILTIN_DET, BUILTIN_CLS, BUILTIN_REC))
    assert ocr_model("rapid").weight_bytes == size


def test_unknown_names_suggest_the_nearest() -> None:
    for ask, word, near in (
        (ocr_model, "rapidd", "rapid"),
        (language, "zh-hant", "zh-Hant"),
        (recogniser, "cyrilic", "cyrillic"),
    ):
        with pytest.raises(VramwiseError, match=f'Did you mean "{near}"'):
            ask(word)


def test_a_script_without_a_language_has_no_default() -> None:
    assert default_language("Cyrillic") == language("ru")
    assert default_language("Linear B") is None


@pytest.fixture
def fake_precision(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A row that no engine can load, between int8 and int4: six bits a weight."""
    from vramwise.catalog import precisions

    rows = precisions.precisions()
    int8 = precisions.precision("int8")
    fake = replace(int8, id="int6", linear_bits=6, rule="6 bits a weight")
    monkeypatch.setattr(precisions, "precisions", lambda: (*rows[:3], fake, *rows[3:]))
    for user in ("vramwise.option_values", "vramwise.advisor.candidate"):
        monkeypatch.setattr(f"{user}.precisions", precisions.precisions)
    forget_plans()
    yield "int6"
    forget_plans()


def forget_plans() -> None:
    """Plans are kept, and those made before the row was there do not have it."""
    from vramwise.advisor import candidates, remote_candidates

    for kept in (candidates._ocr_plan, candidates._least_reading, remote_candidates._on_a_server):
        kept.cache_clear()


def test_a_new_precision_is_one_row_that_every_surface_shows(
    fake_precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from vramwise import plan
    from vramwise.advisor import advise
    from vramwise.cli import main
    from vramwise.option_values import check_choice, precision_choices

    assert fake_precision in precision_choices()  # the options of the loader's combo
    check_choice("precision", fake_precision, precision_choices())
    planned = plan("qwen3_vl_2b", gpu="RTX 4090")
    made = planned.verdict(fake_precision)
    weights = [planned.verdict(name).footprint for name in ("int8", "int4")]
    assert made.footprint is not None and weights[0] is not None and weights[1] is not None
    assert weights[1].weights_bytes < made.footprint.weights_bytes < weights[0].weights_bytes
    assert main(["plan", "qwen3_vl_8b", "--gpu", "RTX 4090"]) == 0
    assert fake_precision in capsys.readouterr().out
    table = advise(gpu="RTX 4090", task="OCR").table()
    assert fake_precision in json.dumps(table)
