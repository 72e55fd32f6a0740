"""The catalog's rows: complete, sourced, and in step with the libraries they describe."""

from __future__ import annotations

import csv
import json
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from vramwise.catalog import (
    BUILTIN,
    OCRModel,
    default_language,
    language,
    languages,
    ocr_model,
    ocr_models,
    recogniser,
    recognisers,
)
from vramwise.catalog.csv_rows import table
from vramwise.catalog.diffusion import diffusion_models, licences
from vramwise.catalog.ranks import UNRANKED, rank
from vramwise.errors import VramwiseError
from vramwise.families.family import families, recipes
from vramwise.families.published import published_config


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


# --- what a row must have, and what it may still be given -------------------------------------------------


def lacking(row: OCRModel) -> list[str]:
    """What must be added before the row can be shown, a sentence each."""
    found = []
    if not row.source or not re.fullmatch(r"20\d\d-\d\d-\d\d", row.date):
        found.append(f"{row.id}: source and date (YYYY-MM-DD) say where the row was read, and when.")
    if row.engine == "vlm" and row.family not in {its.id for its in (*families(), *recipes())}:
        found.append(f'{row.id}: no file of core/families has a family "{row.family}".')
    if (row.engine == "vlm") != bool(row.repo):
        found.append(f"{row.id}: an engine vlm has a repo to download from, another engine has none.")
    if row.licence not in licences():
        found.append(f'{row.id}: licences.csv has no "{row.licence}", so nobody knows what it allows.')
    return found


def wanting(row: OCRModel) -> list[str]:
    """What the row does without, a sentence each: how it is treated, and what would better that."""
    found = []
    if rank("OCR", row.id) == UNRANKED:
        found.append(f"{row.id}: ranks.csv has no rank, so it stands beside its family by its size.")
    if row.repo and published_config(row.repo) is None:
        where = f'no file of core/families has the config.json of {row.repo} under "published"'
        found.append(f"{row.id}: {where}, so it is planned only once its files are here.")
    if row.repo and not row.revision:
        found.append(f"{row.id}: no commit is pinned, so a download takes the newest.")
    return found


def test_every_model_row_has_what_it_must() -> None:
    found = [sentence for row in ocr_models() for sentence in lacking(row)]
    assert not found, "\n".join(found)


def test_what_a_model_row_does_without_is_said() -> None:
    for row in ocr_models():
        for sentence in wanting(row):
            warnings.warn(sentence, stacklevel=1)


def test_each_missing_thing_of_a_row_is_a_sentence() -> None:
    shown = ocr_model("qwen3_vl_4b")
    assert not lacking(shown) and not wanting(shown)
    bare = replace(shown, id="new", family="qwen4_vl", licence="Own", revision="", repo="Qwen/New", date="")
    assert [sentence.split(":")[0] for sentence in lacking(bare)] == ["new"] * 3
    said = " ".join(lacking(bare) + wanting(bare))
    for word in ("source and date", "qwen4_vl", "licences.csv", "ranks.csv", "published", "pinned"):
        assert word in said


def test_every_rank_is_of_a_model_that_there_is() -> None:
    known = {"OCR": {row.id for row in ocr_models()}}
    others = {model.id for model in diffusion_models()}
    for task, model in table("ranks.csv", lambda row: (row["task"], row["model"])):
        assert model in known.get(task, others), (
            f"ranks.csv has a rank of {model}, which is no model of {task}"
        )


@pytest.mark.parametrize(
    ("file", "named", "read"),
    [
        ("gpus.csv", {"name": "geforce rtx 5090"}, "gpus:gpus"),
        ("gpus.csv", {"name": "geforce rtx 5090", "vram_gib": "48"}, "gpus:gpus"),
        ("ocr_models.csv", {"id": "GOT_OCR", "name": "x"}, "readers:ocr_models"),
        ("ocr_models.csv", {"id": "x", "name": "got-ocr 2.0"}, "readers:ocr_models"),
        ("diffusion/diffusion.csv", {"id": "FLUX1-DEV", "name": "x"}, "diffusion:diffusion_models"),
        ("languages.csv", {"code": "ZH-HANT"}, "readers:languages"),
    ],
    ids=["card", "card of another size", "model id", "model name", "image model", "language"],
)
def test_a_second_row_of_a_name_is_refused_by_name_in_any_case(
    file: str, named: dict[str, str], read: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from vramwise.catalog import csv_rows

    shutil.copytree(Path(csv_rows.__file__).parent / "tables", tmp_path / "tables")
    path = tmp_path / "tables" / file
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("a", encoding="utf-8", newline="") as stream:
        csv.DictWriter(stream, list(rows[0]), lineterminator="\n").writerow({**rows[0], **named})
    monkeypatch.setattr(csv_rows, "data_folder", lambda package: tmp_path)
    module, function = read.split(":")
    read_again = getattr(import_module(f"vramwise.catalog.{module}"), function).__wrapped__
    spelled = next(value for value in named.values() if value not in ("x", "48"))
    with pytest.raises(VramwiseError, match=re.escape(spelled)):
        read_again()


def test_a_model_without_a_rank_stands_beside_its_family_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from vramwise.catalog import ranks

    like = ocr_model("qwen3_vl_4b")
    new = {size: replace(like, id=f"new_{size}", name=f"New {size}") for size in (1, 3, 32)}
    unknown, stranger = replace(like, id="unknown"), replace(like, id="stranger", family="new")
    sizes = {
        "qwen3_vl_2b": 2,
        "qwen3_vl_4b": 4,
        "qwen3_vl_8b": 8,
        **{row.id: size for size, row in new.items()},
    }
    rows = (*ocr_models(), *new.values(), unknown, stranger)
    monkeypatch.setattr(ranks, "ocr_models", lambda: rows)

    def place(row: OCRModel) -> float:
        return ranks.ocr_rank(row, lambda model: sizes.get(model.id))

    two, four, eight = (rank("OCR", f"qwen3_vl_{size}b") for size in (2, 4, 8))
    assert place(new[32]) < eight < four < place(new[3]) < two < place(new[1]) < place(unknown)
    assert place(stranger) == UNRANKED
    ranked = [row for row in ocr_models() if rank("OCR", row.id) != UNRANKED]
    assert all(place(row) == rank("OCR", row.id) for row in ranked)


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
    from vramwise.advisor import ocr_candidates, remote_candidates

    for kept in (ocr_candidates._ocr_plan, ocr_candidates._least_reading, remote_candidates._on_a_server):
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
