"""A stranger adds a card to gpus.csv and a model of a known family to ocr_models.csv, and nothing else."""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("core", "nodes", "locales", "web", "devtools")
# Those that name rows of the catalog. Their counterpart here runs them on the copy.
CONCERNED = ("test_catalog.py", "test_cards.py", "test_gpus.py", "test_locales.py")
CARD = {
    "name": "GeForce RTX 6070",
    "vendor": "NVIDIA",
    "series": "GeForce RTX 60",
    "compute_capability": "13.0",
    "vram_gib": "24",
    "memory_type": "GDDR7",
    "memory_bus_bits": "384",
    "host_bus": "PCIe 5.0 x16",
    "bandwidth_gb_s": "1200",
    "tensor_cores": "300",
    "fp16_tensor_tflops": "140",
    "status": "released",
    "device_name": "NVIDIA GeForce RTX 6070",
    "source": "a test",
    "date": "2026-11-28",
}
# Larger than the best card of today, and not sold yet.
RUMOUR = {**CARD, "name": "GeForce RTX 6090", "device_name": "NVIDIA GeForce RTX 6090", "vram_gib": "48"}
RUMOUR |= {"status": "rumoured", "host_bus": "", "tensor_cores": "", "fp16_tensor_tflops": ""}
MODEL = {
    "id": "qwen3_vl_32b",
    "name": "Qwen3-VL 32B",
    "engine": "vlm",
    "runs_on": "torch",
    "licence": "Apache-2.0",
    "about": "Text, Markdown and tables",
    "source": "a test",
    "date": "2026-11-28",
    "family": "qwen3_vl",
    "repo": "Qwen/Qwen3-VL-32B-Instruct",
}


def append(path: Path, *added: dict[str, str]) -> None:
    """Rows with the cells of ``added``; all others are empty."""
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, header, restval="", lineterminator="\n").writerows(added)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, as far as the tests concerned need it, with three rows more."""
    folder = tmp_path_factory.mktemp("stranger")
    ignored = shutil.ignore_patterns("__pycache__", ".comfy")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "tests" / "unit").mkdir(parents=True)
    for name in (
        "__init__.py",
        "pyproject.toml",
        "tests/conftest.py",
        "tests/unit/asked_names.csv",
        "tests/unit/driver_names.csv",
        *(f"tests/unit/{it}" for it in CONCERNED),
    ):
        shutil.copy(ROOT / name, folder / name)
    tables = folder / "core" / "catalog" / "tables"
    append(tables / "gpus.csv", CARD, RUMOUR)
    append(tables / "ocr_models.csv", MODEL)
    shutil.copytree(folder / "core", folder / "installed" / "vramwise")
    return folder


def python(copy: Path, *words: str, timeout: float = 300, **more: str) -> subprocess.CompletedProcess[str]:
    """Python with the copy's ``vramwise``, and no models or settings of the person's own."""
    home = copy / "home"
    home.mkdir(exist_ok=True)
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(home))
    comfy = os.environ.get("VRAMWISE_COMFY_DIR") or str(ROOT / ".comfy" / "ComfyUI")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("VRAMWISE_", "HF_"))},
        **homes,
        "PYTHONPATH": str(copy / "installed"),
        "PYTHONIOENCODING": "utf-8",
        "VRAMWISE_COMFY_DIR": comfy,
        **more,
    }
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=copy,
        timeout=timeout,
    )


def vramwise(copy: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    run = "import sys; from vramwise.cli import main; sys.exit(main(sys.argv[1:]))"
    return python(copy, "-c", run, *words, **more)


@pytest.fixture(scope="module")
def models_folder(copy: Path) -> Path:
    """A folder of models with files of the new one, of few and small tensors."""
    folder = copy / "models" / "Qwen3-VL-32B-Instruct"
    folder.mkdir(parents=True)
    from vramwise.families.published import published_config

    config = dict(published_config("Qwen/Qwen3-VL-8B-Instruct") or {})
    config["architectures"] = ["Qwen3VLForConditionalGeneration"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shape, size = [1024, 64], 1024 * 64 * 2
    tensors = {"model.language_model.embed_tokens.weight": {"dtype": "BF16", "shape": shape}}
    header = json.dumps({name: {**it, "data_offsets": [0, size]} for name, it in tensors.items()}).encode()
    data = struct.pack("<Q", len(header)) + header + bytes(size)
    (folder / "model.safetensors").write_bytes(data)
    return folder.parent


@pytest.mark.slow
def test_every_test_that_concerns_the_catalog_passes_and_says_what_could_be_added(copy: Path) -> None:
    tests = [f"tests/unit/{name}" for name in CONCERNED]
    done = python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]
    for what in ("ranks.csv has no rank", "no file of core/families has the config", "no commit is pinned"):
        assert f"qwen3_vl_32b: {what}" in done.stdout


def test_the_loader_offers_the_model(copy: Path) -> None:
    done = python(copy, "-c", "from vramwise.models.names import model_ids; print(*model_ids())")
    assert "qwen3_vl_32b" in done.stdout.split(), done.stderr
    assert "qwen3_vl_32b" in vramwise(copy, "models").stdout


def test_a_plan_without_files_says_what_to_add(copy: Path) -> None:
    for words in (("plan", "qwen3_vl_32b"), ("plan", "qwen3_vl_32b", "--gpu", "RTX 6070")):
        done = vramwise(copy, *words)
        assert done.returncode == 1
        assert "download qwen3_vl_32b" in done.stderr
        assert (
            'no file of core/families has the config.json of Qwen/Qwen3-VL-32B-Instruct under "published"'
            in (done.stderr)
        )


def test_advice_on_the_new_card_names_the_model_whose_size_nobody_knows(copy: Path) -> None:
    done = vramwise(copy, "advise", "--gpu", "rtx 6070", "--task", "OCR", "--all")
    assert done.returncode == 0, done.stderr
    assert "Qwen3-VL 32B: " in done.stdout
    answer = json.loads(vramwise(copy, "advise", "--gpu", "rtx 6070", "--task", "OCR", "--json").stdout)
    assert answer["gpu"] == "GeForce RTX 6070"
    assert answer["picks"]


def test_with_its_files_it_is_planned_advised_and_ranked_by_its_family(
    copy: Path, models_folder: Path
) -> None:
    here = {"VRAMWISE_MODELS": str(models_folder)}
    made = json.loads(vramwise(copy, "plan", "qwen3_vl_32b", "--gpu", "RTX 6070", "--json", **here).stdout)
    assert made["chosen"]["precision"] == "bf16"
    done = vramwise(copy, "advise", "--gpu", "rtx 6070", "--task", "OCR", "--json", **here)
    picks = [pick["model"] for pick in json.loads(done.stdout)["picks"]]
    order = list(dict.fromkeys(picks))
    # Of unpublished size it stands behind its family, and before the models behind that.
    assert order.index("qwen3_vl_2b") < order.index("qwen3_vl_32b") < order.index("lighton_ocr")


def test_the_new_cards_are_listed_and_compared(copy: Path) -> None:
    assert "GeForce RTX 6070" in vramwise(copy, "gpus").stdout
    both = vramwise(copy, "compare", "RTX 6090", "RTX 6070")
    assert both.returncode == 0 and "GeForce RTX 6090" in both.stdout
