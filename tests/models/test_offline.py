"""With every socket blocked, models that are here load and read; one that is not says where it was sought."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from devtools.tiny_models.build import tiny_checkpoint

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "qwen3_vl_2b": "Qwen3-VL-2B-Instruct",
    "qwen2_vl_2b": "Qwen2-VL-2B-Instruct",
    "got_ocr": "GOT-OCR-2.0-hf",
}
FAMILIES = {"qwen3_vl_2b": "qwen3_vl", "qwen2_vl_2b": "qwen2_vl", "got_ocr": "got_ocr2"}

# Any look outside raises an AssertionError, which no library takes for a failed connection, and is counted
# for those that catch everything.
BLOCKED = """
import socket
import sys

outside = []

def blocked(*given, **more):
    outside.append(given[1:] if given and isinstance(given[0], socket.socket) else given)
    raise AssertionError(f"a look outside: {outside[-1]}")

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, blocked)
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, blocked)
"""
PICTURE = """
import torch
from PIL import Image, ImageDraw

torch.set_num_threads(1)
picture = Image.new("RGB", (320, 200), "white")
ImageDraw.Draw(picture).text((10, 60), "Hello 123", fill="black", font_size=40)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offline") / "models"
    for model, name in FOLDERS.items():
        shutil.copytree(tiny_checkpoint(FAMILIES[model]), folder / name)
    return folder


def run(models: Path, home: Path, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``script`` in a fresh Python whose sockets are blocked before anything else is imported."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "VRAMWISE_", "HUGG"))
    }
    own = {
        "VRAMWISE_MODELS": str(models),
        "HF_HOME": str(home / "hf"),
        "XDG_CONFIG_HOME": str(home),
        "HOME": str(home),
    }
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + textwrap.dedent(script) + "\nassert not outside, outside\n"],
        env={**ours, **own, "APPDATA": str(home), **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_block_blocks(models: Path, tmp_path: Path) -> None:
    for look in (
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
    ):
        result = run(models, tmp_path, look)
        assert result.returncode != 0 and "a look outside" in result.stderr


def test_6_models_that_are_here_load_and_read_with_sockets_blocked(models: Path, tmp_path: Path) -> None:
    script = f"""
    from vramwise import ModelLoader

    for model in {tuple(FOLDERS)}:
        for precision in {("bf16", "int8", "int4") if _quantises() else ("bf16",)}:
            loaded = ModelLoader.load_model(model, precision=precision)
            (result,) = loaded.read(picture, max_new_tokens=4)
            assert (result.tokens, result.precision, result.finish_reason) == (4, precision, "length"), result
            assert ModelLoader.unload_model(model)
        print(model)
    """
    result = run(models, tmp_path, PICTURE + textwrap.dedent(script))
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.split() == list(FOLDERS)


def test_no_offline_switch_is_left_behind_that_would_break_other_packs_downloads(
    models: Path, tmp_path: Path
) -> None:
    script = """
    import os
    from vramwise import ModelLoader

    before = dict(os.environ)
    ModelLoader.load_model("qwen3_vl_2b", precision="bf16").read(picture, max_new_tokens=2)
    changed = {name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)}
    assert not {name for name in changed if "OFFLINE" in name}, changed
    from huggingface_hub import constants

    assert not constants.HF_HUB_OFFLINE
    print("free")
    """
    result = run(models, tmp_path, PICTURE + textwrap.dedent(script))
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout == "free\n"


def test_a_snapshot_of_the_hugging_face_cache_is_read_with_sockets_blocked(
    models: Path, tmp_path: Path
) -> None:
    repo = tmp_path / "hf" / "hub" / "models--Qwen--Qwen3-VL-2B-Instruct"
    shutil.copytree(models / FOLDERS["qwen3_vl_2b"], repo / "snapshots" / "0123abcd")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0123abcd", encoding="utf-8")
    before = sorted(path for path in repo.rglob("*"))
    script = """
    from vramwise import ModelLoader

    loaded = ModelLoader.load_model("qwen3_vl_2b", precision="bf16")
    print(loaded.read(picture, max_new_tokens=4)[0].tokens)
    """
    result = run(tmp_path / "empty", tmp_path, PICTURE + textwrap.dedent(script))
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout == "4\n"
    assert sorted(path for path in repo.rglob("*")) == before, "the Hugging Face cache is only read"


def test_6_a_model_that_is_not_here_lists_every_folder_searched_and_the_exact_name(
    models: Path, tmp_path: Path
) -> None:
    absent = {
        "qwen3_vl_8b": "Qwen3-VL-8B-Instruct",
        "qwen3_vl_4b": "Qwen3-VL-4B-Instruct",
        "qwen2_vl_7b": "Qwen2-VL-7B-Instruct",
    }
    second = tmp_path / "second"
    (tmp_path / "config.yaml").write_text(f"models_dir: '{tmp_path / 'third'}'\n", encoding="utf-8")
    script = f"""
    from vramwise import ModelLoader, VramwiseError

    for model in {tuple(absent)}:
        try:
            ModelLoader.load_model(model, precision="int8")
        except VramwiseError as error:
            print(error)
    assert "torch" not in sys.modules, "nothing heavy is imported for a model that is not here"
    """
    result = run(
        models,
        tmp_path,
        script,
        VRAMWISE_MODELS=os.pathsep.join((str(models), str(second))),
        VRAMWISE_CONFIG=str(tmp_path / "config.yaml"),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    lines = result.stdout.splitlines()
    assert len(lines) == len(absent)
    for folder, said in zip(absent.values(), lines, strict=True):
        assert f"{folder}/config.json is in none of the folders searched" in said
        for base in (models, second, tmp_path / "third"):
            for place in (base, base / "LLM", base / "prompt_generator"):
                assert f"{place}," in said
        assert f"{tmp_path / 'hf' / 'hub'}." in said
        assert f"put the folder {folder} into one of them" in said


def test_the_command_line_reads_with_sockets_blocked(models: Path, tmp_path: Path) -> None:
    script = """
    from vramwise.cli import main

    picture.save("PAGE")
    assert main(["ocr", "--model", "got_ocr", "PAGE"]) == 0
    """.replace("PAGE", (tmp_path / "page.png").as_posix())
    result = run(models, tmp_path, PICTURE + textwrap.dedent(script))
    assert result.returncode == 0, result.stderr[-3000:]


def _quantises() -> bool:
    from importlib.util import find_spec

    return find_spec("bitsandbytes") is not None and find_spec("accelerate") is not None
