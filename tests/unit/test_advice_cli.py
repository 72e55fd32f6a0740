"""``vramwise advise``, ``compare``, ``gpus`` and ``models``, each in a process of its own."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import vramwise

CARDS = Path(__file__).resolve().parents[1] / "fixtures" / "nvml"
CORE = Path(vramwise.__file__).resolve().parent
HEAVY = ("torch", "numpy", "transformers", "PIL", "cv2")
RUN = (
    "import sys; from vramwise.cli import main; code = main(sys.argv[1:]); "
    f"print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr); sys.exit(code)"
)


def run(*words: str, core: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """The command line of ``core``'s copy (default: this repository's) with ``more`` in its environment.
    Heavy modules that it imported are the last line of stderr.
    """
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "200", **more}
    if core is not None:
        environment |= {"PYTHONPATH": str(core), "PYTHONDONTWRITEBYTECODE": ""}  # a copy is compiled once
    return subprocess.run(
        [sys.executable, "-c", RUN, *words],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=300,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("advise", "--gpu", "RTX 4090"),
        ("advise", "--vram-gib", "16", "--task", "image-edit", "--ram-gib", "64"),
        ("advise", "--task", "which-gpu", "--with", "flux1-dev@fp8"),
        ("compare", "RTX 4090", "RTX 3090"),
        ("gpus",),
        ("models",),
    ],
    ids=" ".join,
)
def test_no_verb_imports_anything_heavy(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr.strip() == ""


def test_a_name_with_two_memory_sizes_is_answered_for_both() -> None:
    found = json.loads(run("advise", "--gpu", "RTX 4060 Ti", "--task", "OCR", "--json").stdout)
    assert [answer["gpu"] for answer in found["answers"]] == [
        "GeForce RTX 4060 Ti 16 GB",
        "GeForce RTX 4060 Ti 8 GB",
    ]


def test_the_json_of_one_card_is_one_object() -> None:
    found = json.loads(run("advise", "--gpu", "RTX 3090", "--json").stdout)
    assert found["gpu"] == "GeForce RTX 3090"
    made = {"image", "image edit", "video", "upscaling", "audio", "3d"}
    assert {pick["task"] for pick in found["picks"]} == {"OCR", *made}


def test_the_other_verbs_have_their_json_too() -> None:
    cards = json.loads(run("gpus", "4060", "--json").stdout)["cards"]
    assert {card["gpu"] for card in cards} >= {"GeForce RTX 4060", "GeForce RTX 4060 Ti 8 GB"}
    models = json.loads(run("models", "--json").stdout)["models"]
    assert {"qwen3_vl_8b", "flux1-dev", "wan2.2-14b"} <= {model["model"] for model in models}
    pair = json.loads(run("compare", "RTX 5080", "RTX 4080", "--json").stdout)
    assert [card["gpu"] for card in pair["cards"]] == ["GeForce RTX 5080", "GeForce RTX 4080"]
    assert pair["remarks"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("advise", "--gpu", "RTX 409O"), "RTX 4090"),
        (("advise", "--vram-gib", "8", "--lang", "rus"), "ru"),
        (("advise", "--vram-gib", "8", "--with", "flux1-dv"), "flux1-dev"),
        (("advise", "--vram-gib", "8", "--task", "vidoe"), "video"),
        (("compare", "RTX 4090", "RTX 50900"), "RTX 5090"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_an_unknown_name_is_wrong_usage_and_the_nearest_is_named(words: tuple[str, ...], hint: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert hint in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("size", ["0", "-5"])
def test_no_memory_at_all_is_no_card(size: str) -> None:
    done = run("advise", "--vram-gib", size)
    assert done.returncode == 2
    assert f"{size} GiB is no memory size" in done.stderr


def test_the_report_speaks_russian() -> None:
    assert (
        "\u0427\u0442\u043e \u0440\u0430\u0431\u043e\u0442\u0430\u0435\u0442"
        in run("advise", "--gpu", "RTX 3060 12 GB", "--lang", "ru").stdout
    )


def test_when_piped_a_table_is_plain_text_with_tabs() -> None:
    lines = run("gpus", "3090").stdout.splitlines()
    assert len({line.count("\t") for line in lines}) == 1
    assert lines[0].split("\t")[:2] == ["card", "GB"]


def test_what_each_memory_size_unlocks_is_told() -> None:
    text = run("advise", "--vram-gib", "8", "--task", "image", "--tiers").stdout
    assert [f"- {tier} GB: " in text for tier in (4, 6, 8, 12, 16, 24, 32)] == [True] * 7


# --- this machine -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Path:
    """The folder of a stand-in of NVIDIA's driver library, which the real pynvml loads."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    require(compiler, "There is no C compiler (cc, gcc or clang) to build the stand-in of NVML.")
    require(sys.platform == "linux", "pynvml finds the stand-in of NVML on Linux only.")
    require(find_spec("pynvml"), f"pynvml is missing: {sys.executable} -m pip install nvidia-ml-py")
    folder = tmp_path_factory.mktemp("nvml")
    source, made = CARDS / "nvml.c", folder / "libnvidia-ml.so.1"
    subprocess.run([str(compiler), "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    return folder


def test_where_nvml_answers_this_machine_is_advised_on_without_torch(nvml: Path) -> None:
    environment = {"LD_LIBRARY_PATH": str(nvml), "VRAMWISE_NVML": str(CARDS / "rtx4090.txt")}
    done = run("advise", "--json", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    answer = json.loads(done.stdout)
    assert "4090" in answer["gpu"]
    assert answer["picks"][0]["task"] == "OCR"


# --- new rows of the catalog show everywhere --------------------------------------------------------------


def append(path: Path, **values: str) -> None:
    """A row like the last one of a CSV file, with ``values`` changed."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, list(rows[0]), lineterminator="\n").writerow({**rows[-1], **values})


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the core with a card, an OCR model, an image model and a precision that nobody has."""
    folder = tmp_path_factory.mktemp("grown")
    shutil.copytree(CORE, folder / "vramwise", ignore=shutil.ignore_patterns("__pycache__"))
    tables = folder / "vramwise" / "catalog" / "tables"
    append(
        tables / "gpus.csv",
        name="GeForce RTX 9990",
        vendor="NVIDIA",
        series="GeForce RTX 50",
        compute_capability="12.0",
        vram_gib="48",
        device_name="NVIDIA GeForce RTX 9990",
        bandwidth_gb_s="3000",
        status="released",
        memory_type="GDDR7",
    )
    append(
        tables / "ocr_models.csv",
        id="new_ocr",
        name="New OCR",
        engine="vlm",
        family="qwen3_vl",
        repo="Qwen/Qwen3-VL-2B-Instruct",
        licence="MIT",
    )
    append(tables / "formats.csv", format="new5", group="8-bit", bits="5", fast_from="")
    append(
        tables / "diffusion" / "diffusion_weights.csv",
        model="flux1-dev",
        precision="new5",
        format="new5",
        file_gib="7",
        held_gib="",
        rest_gib="",
        copies="1",
        at_once="1",
        with_text_encoder="no",
        with_vae="no",
        factor_scale="1",
    )
    return folder


def test_a_new_card_is_listed_compared_and_advised_on(grown: Path) -> None:
    assert "GeForce RTX 9990" in run("gpus", core=grown).stdout
    assert "GeForce RTX 9990" in run("compare", "RTX 9990", "RTX 5090", core=grown).stdout
    assert "GeForce RTX 9990" in run("advise", "--task", "which-gpu", core=grown).stdout
    answer = json.loads(run("advise", "--gpu", "rtx 9990", "--json", core=grown).stdout)
    assert answer["gpu"] == "GeForce RTX 9990"


def test_a_new_ocr_model_is_listed_advised_and_can_be_chosen(grown: Path) -> None:
    assert "new_ocr" in run("models", core=grown).stdout
    answer = json.loads(run("advise", "--vram-gib", "24", "--task", "OCR", "--json", core=grown).stdout)
    assert {pick["precision"] for pick in answer["picks"] if pick["model"] == "new_ocr"} >= {"bf16", "int4"}
    assert "--resume goes on" in run("ocr", "x", "--model", "new_ocr", "--resume", core=grown).stderr
    assert "is not an OCR model" in run("ocr", "x", "--model", "new_one", core=grown).stderr


def test_a_new_precision_is_listed_and_advised(grown: Path) -> None:
    answer = json.loads(run("advise", "--vram-gib", "12", "--task", "image", "--json", core=grown).stdout)
    assert "new5" in {pick["precision"] for pick in answer["picks"] if pick["model"] == "flux1-dev"}
    flux = next(
        model
        for model in json.loads(run("models", "--json", core=grown).stdout)["models"]
        if model["model"] == "flux1-dev"
    )
    assert "new5" in flux["precisions"]
