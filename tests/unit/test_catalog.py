"""The catalog's rows: complete, sourced, and in step with the libraries they describe."""

from __future__ import annotations

import re
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
    from vramwise.ocr.rapid import BUILTIN_CLS, BUILTIN_DET, BUILTIN_REC, builtin_models

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
