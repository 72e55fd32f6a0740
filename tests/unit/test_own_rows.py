"""A person's own gpus.csv, models.csv and diffusion.csv in the user folder: taken, marked, not in the way."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import vramwise.advisor.diffusion_candidates
import vramwise.advisor.gpu_ranking
import vramwise.advisor.models_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vramwise.advisor import advise, report
from vramwise.advisor.own_faults import own_faults
from vramwise.catalog import diffusion, gpus, readers
from vramwise.catalog.csv_rows import header
from vramwise.catalog.own import rows as own_rows
from vramwise.catalog.words import LANGUAGES, in_language
from vramwise.cli import main
from vramwise.errors import UnknownName
from vramwise.host import Places, set_places
from vramwise.panel_data import advice_answer
from vramwise.units import GIB

MINE = {
    "gpus.csv": "name,vendor,vram_gib,bandwidth_gb_s\nRTX 9999,NVIDIA,48,1792\n",
    "models.csv": "id,name,family,repo\nmine,My Qwen,qwen3_vl,me/My-Qwen\n",
    "diffusion.csv": "id,name,tasks,parameters\nmy-flux,My Flux 14B,image|edit,14000000000\n",
    "diffusion_weights.csv": "model,precision,format,file_gib\nflux1-dev,my fp8,fp8,11.5\n",
}
CACHES = (
    gpus.gpus,
    gpus.own_gpus,
    readers.ocr_models,
    readers.own_ocr_models,
    diffusion.diffusion_models,
    diffusion.own_diffusion_models,
    diffusion.own_diffusion_files,
    vramwise.advisor.gpu_ranking._desktop_released,
    vramwise.catalog.gpus._by_words,
    vramwise.catalog.gpus._by_whole_name,
    vramwise.advisor.diffusion_candidates._quality,
    vramwise.advisor.models_here._overlaid,
)


def forget() -> None:
    for cache in CACHES:
        cache.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A user folder of its own; what was read of it is forgotten with it."""
    set_places(Places(tmp_path, (tmp_path / "models",)))
    forget()
    yield tmp_path
    set_places(None)  # type: ignore[arg-type]
    forget()


def written(folder: Path, **files: str | bytes) -> None:
    for name, text in files.items():
        path = folder / f"{name}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    forget()


def faults(lang: str = "en") -> list[str]:
    return [fault.text(lang) for fault in own_faults()]


# --- what is right is taken ---------------------------------------------------------------------------------


@pytest.fixture
def mine(folder: Path) -> Path:
    written(folder, **{Path(name).stem: text for name, text in MINE.items()})
    return folder


def test_own_rows_are_asked_for_by_name_and_called_yours(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert faults() == []
    answer = advise(gpu="rtx 9999", ram_gib=64)
    assert answer.target.comfy_bytes > 40 * GIB
    yours = {(row.model, row.precision) for row in answer.candidates if row.yours}
    assert {("my-flux", "bf16"), ("my-flux", "Q4_K_M"), ("flux1-dev", "my fp8")} <= yours
    assert {"mine"} < {model for model, _ in yours}
    text = report(answer)
    assert "row of your gpus.csv" in text and "My Flux 14B (yours)" in text
    assert main(["gpus", "9999"]) == 0 and "RTX 9999 (yours)" in capsys.readouterr().out
    assert main(["gpus", "9999", "--json"]) == 0 and json.loads(capsys.readouterr().out)["cards"][0]["yours"]
    assert main(["models"]) == 0 and "My Qwen (yours)" in capsys.readouterr().out
    assert main(["plan", "my-flux", "--vram-gib", "12", "--size", "768x768", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen"]["precision"].startswith("Q")


def test_a_row_of_the_same_name_stands_in_the_place_of_ours(folder: Path) -> None:
    before = len(gpus.gpus()), len(readers.ocr_models()), len(diffusion.diffusion_models())
    written(
        folder,
        gpus="name,vendor,vram_gib,bandwidth_gb_s\ngeforce rtx 3060,NVIDIA,12,999\n",
        models="id,name,family,repo\nqwen3_vl_2b,Qwen3-VL 2B,qwen3_vl,me/other\n",
        diffusion="id,name,tasks,parameters\nsdxl,SDXL 1.0 base,image,1000000000\n",
    )
    assert (len(gpus.gpus()), len(readers.ocr_models()), len(diffusion.diffusion_models())) == before
    (card,) = gpus.find_gpus("RTX 3060 12 GB")
    assert (card.bandwidth_gb_s, card.yours) == (999, True)
    assert readers.ocr_model("qwen3_vl_2b").repo == "me/other"
    assert diffusion.diffusion_model("sdxl").parameters == 10**9


def test_a_whole_row_of_ours_is_a_row_of_theirs(folder: Path) -> None:
    """Copied out of our file with all its columns."""
    for name, ours in (("gpus", "gpus.csv"), ("diffusion", "diffusion/diffusion.csv")):
        text = Path(gpus.__file__).with_name("tables").joinpath(ours).read_text(encoding="utf-8")
        table = list(csv.reader(io.StringIO(text)))
        out = io.StringIO()
        csv.writer(out).writerows([table[0], table[3]])
        written(folder, **{name: out.getvalue()})
        assert faults() == []
        assert header(ours) == tuple(table[0])


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfname,vendor,vram_gib\r\nRTX 9999,NVIDIA,48\r\n",
        b"name;vendor;vram_gib;bandwidth_gb_s\nRTX 9999;NVIDIA;48;448,5\n",
        "name\tvendor\tvram_gib\nRTX 9999\tnvidia\t48,0\n".encode("utf-16"),
        b"\n# a remark\n VRAM GiB , Vendor ,NAME\n\n48,NVIDIA,RTX 9999\n,,\n",
        b"name,vendor,vram_gib,note\nRTX 9999,NVIDIA,48\n",
        b"name,vendor,vram_gib\nRTX 9999,NVIDIA,48,,,\n",
        b"name,vendor,vram_gib\rRTX 9999,NVIDIA,48\r",
    ],
    ids=["BOM", "semicolons", "UTF-16", "order and remarks", "short", "trailing commas", "old Mac"],
)
def test_what_spreadsheets_write_is_read(data: bytes, folder: Path) -> None:
    written(folder, gpus=data)
    assert faults() == []
    assert gpus.find_gpus("RTX 9999")[0].vram_gib == 48


# --- what is wrong is said, and hides no other --------------------------------------------------------------

GOOD_CARD, GOOD_MODEL = "RTX 9999,NVIDIA,48", "my-flux,My Flux,image,14000000000"
CARDS, MODELS = "name,vendor,vram_gib,bandwidth_gb_s,status", "id,name,tasks,parameters,width,factor,decoder"

FILES = "model,precision,format,file_gib"


@pytest.mark.parametrize(
    ("name", "head", "bad", "said"),
    [
        ("gpus", CARDS, "X,NVIDEA,16", ["line 2, column vendor", '"NVIDEA"', 'Did you mean "NVIDIA"']),
        ("gpus", CARDS, "X,AMD,sixteen", ["column vram_gib", "is no number"]),
        ("gpus", CARDS, "X,AMD,nan", ["column vram_gib", "cannot be"]),
        ("gpus", CARDS, "X,AMD,-16", ["column vram_gib", "cannot be"]),
        ("gpus", CARDS, "X,AMD,16|x", ["column vram_gib", '"x" is no number']),
        ("gpus", CARDS, "X,AMD,1e99", ["column vram_gib", "at most 65536"]),
        ("gpus", CARDS, "X,AMD,16,fast", ["column bandwidth_gb_s", '"fast"']),
        ("gpus", CARDS, "X,AMD,16,1,maybe", ["column status", "released, rumoured"]),
        ("gpus", CARDS, ",AMD,16", ["column name", "empty"]),
        ("gpus", CARDS, '"X,AMD,16', ["line 2:", "quotation mark"]),
        ("gpus", CARDS, "X,AMD,16,1,released,1,2", ["line 2:", "7 cells", "header 5"]),
        ("gpus", CARDS, b"\xcd\xe5\xf2,AMD,16", ["column name", "UTF-8"]),
        ("diffusion", MODELS, "a,A,painting,1", ["column tasks", '"painting"', "image"]),
        ("diffusion", MODELS, "a,A,image,many", ["column parameters", '"many"']),
        ("diffusion", MODELS, "a,A,image,1.5", ["column parameters", "whole number"]),
        ("diffusion", MODELS, "a,A,image,1000,0", ["column width", "whole number from 1"]),
        ("diffusion", MODELS, "a,A,image,1000,-1", ["column width", "from 1 to 1000000."]),
        ("diffusion", MODELS, "a,A,image,1000,512,inf", ["column factor", "cannot be"]),
        ("diffusion", MODELS, "a,A,image,1000,512,2,vae9", ["column decoder", '"vae9"']),
        ("diffusion", MODELS, "a b,A,image,1000", ["column id", "is no id"]),
        ("diffusion", MODELS, "a,SDXL 1.0 base,image,1000", ["column name", "another model"]),
        ("models", "id,name,family,repo", "a,A,qwen9,me/x", ["column family", "Did you mean"]),
        ("models", "id,name,family,repo", "a,A,qwen3_vl,https://x", ["column repo", "owner/name"]),
        ("diffusion_weights", FILES, "flux1-dve,x,fp8,1", ["column model", "flux1-dev"]),
        ("diffusion_weights", FILES, "sdxl,x,fp9,1", ["column format", '"fp9"']),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_by_its_line_and_column_and_the_next_is_read(
    name: str, head: str, bad: str | bytes, said: list[str], folder: Path
) -> None:
    good = {
        "gpus": GOOD_CARD,
        "diffusion": GOOD_MODEL,
        "models": "mine,My Qwen,qwen3_vl,me/My-Qwen",
        "diffusion_weights": "sdxl,my fp8,fp8,2.4",
    }[name]
    line = bad if isinstance(bad, bytes) else bad.encode()
    written(folder, **{name: b"\n".join([head.encode(), line, good.encode(), b""])})
    (fault,) = faults()
    assert all(word in fault for word in [f"{name}.csv", *said]), fault
    assert fault.endswith("the other rows are used.") or fault.endswith("The other rows are used.")
    read: dict[str, Callable[[], object]] = {
        "gpus": lambda: gpus.find_gpus("RTX 9999"),
        "diffusion": lambda: diffusion.diffusion_model("my-flux"),
        "models": lambda: readers.ocr_model("mine"),
        "diffusion_weights": lambda: diffusion.diffusion_model("sdxl").of("my fp8"),
    }
    assert read[name]()
    for lang in LANGUAGES:
        assert "{" not in faults(lang)[0] and "own_" not in faults(lang)[0]
    assert "## Your own rows that are not used" in report(advise(vram_gib=8, task="OCR"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("just words\n", "names no known column"),
        ("name,vendor,vram_gib,vrm_gib\nX,AMD,16,1\n", 'Did you mean "vram_gib"'),
        ("name,vendor,vram_gib\nX,AMD,16\nx,AMD,16\n", "stands in line 2 already"),
        ("name,vendor\nX,AMD\n", "column vram_gib"),
        ("x" * (own_rows.MOST_BYTES + 1), "bytes"),
        ("name,vendor,vram_gib\n" + "X,AMD,bad\n" * 50, "more rows"),
    ],
)
def test_a_bad_file_is_a_sentence(text: str, said: str, folder: Path) -> None:
    written(folder, gpus=text)
    assert any(said in fault for fault in faults()), faults()
    assert len(faults()) <= 21 and gpus.find_gpus("RTX 4090")


def test_a_folder_in_place_of_a_file_is_a_sentence(folder: Path) -> None:
    (folder / "gpus.csv").mkdir()
    forget()
    assert "cannot be read" in faults()[0]


def test_faults_are_on_standard_error_and_json_stays_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(folder, gpus="name,vendor,vram_gib\nX,AMD,sixteen\n")
    for verb in (
        ["gpus"],
        ["models"],
        ["compare", "RTX 4090", "RTX 3090"],
        ["plan", "sdxl", "--vram-gib", "8"],
    ):
        assert main([*verb, "--json"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out) and "line 2, column vram_gib" in err
    assert main(["advise", "--vram-gib", "8", "--task", "OCR", "--json"]) == 0
    assert "column vram_gib" in json.loads(capsys.readouterr().out)["own_rows"][0]


def test_who_asks_for_a_row_that_is_not_used_is_told_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(folder, gpus="name,vendor,vram_gib\nRTX 9999,NVIDIA,-3\n")
    assert main(["advise", "--gpu", "RTX 9999"]) == 2
    assert "line 2, column vram_gib" in capsys.readouterr().err


@pytest.mark.parametrize("lang", LANGUAGES)
def test_who_asks_the_sidebar_for_a_row_that_is_not_used_is_told_why(folder: Path, lang: str) -> None:
    written(folder, gpus="name,vendor,vram_gib\nRTX 9999,NVIDIA,-3\n")
    with pytest.raises(UnknownName) as refused:
        advice_answer("RTX 9999", "all", (), None, lang)
    with pytest.raises(UnknownName) as unknown:
        gpus.find_gpus("RTX 9999")
    assert str(refused.value) == " ".join([in_language(unknown.value, lang), *faults(lang)])
    assert faults(lang)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(MINE)),
    data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
)
def test_whatever_stands_in_a_file_the_catalog_is_there(name: str, data: bytes, folder: Path) -> None:
    written(folder, **{Path(name).stem: MINE[name].encode() + data})
    assert gpus.find_gpus("RTX 4090") and diffusion.diffusion_model("sdxl") and readers.ocr_model("rapid")
    assert all(isinstance(fault, str) for fault in faults())
    (folder / name).unlink()
