"""What it costs ComfyUI to have this pack: nothing heavy at import, and no folder it could do without."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.comfy

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch",
    "transformers",
    "bitsandbytes",
    "onnxruntime",
    "openvino",
    "cv2",
    "rapidocr",
    "tesserocr",
    "numpy",
    "PIL",
)
FRONT_DOOR = """
import importlib.util
spec = importlib.util.spec_from_file_location("vramwise_pack", ROOT + "/__init__.py",
                                              submodule_search_locations=[ROOT])
module = importlib.util.module_from_spec(spec)
sys.modules["vramwise_pack"] = module
spec.loader.exec_module(module)
assert module.WEB_DIRECTORY and module.comfy_entrypoint
"""
REST = """
import importlib
import vramwise.models.handle, vramwise.hardware, vramwise.catalog, vramwise.settings, vramwise.weights
vramwise.ocr_handle, vramwise.probe, vramwise.OCRResult, vramwise.load_picture
"""


def imported_by(code: str) -> tuple[set[str], float]:
    """Top-level modules in a bare interpreter after ``code``, and the milliseconds it took."""
    program = "\n".join(
        [
            "import json, sys, time",
            f"ROOT = {str(ROOT)!r}",
            "before, begun = set(sys.modules), time.perf_counter()",
            code,
            "spent = 1000 * (time.perf_counter() - begun)",
            "print(json.dumps([sorted({m.split('.')[0] for m in set(sys.modules) - before}), spent]))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, encoding="utf-8", cwd=ROOT.anchor
    )
    assert done.returncode == 0, done.stderr
    names, spent = json.loads(done.stdout)
    return set(names), spent


@pytest.mark.parametrize(
    ("what", "code"), [("the pack", FRONT_DOOR), ("vramwise", "import vramwise"), ("its light parts", REST)]
)
def test_importing_it_in_a_bare_interpreter_brings_in_nothing_heavy(what, code):
    names, spent = imported_by(code)
    print(f"importing {what}: {spent:.1f} ms")
    assert names & {"vramwise", "vramwise_pack"}
    assert names & set(HEAVY) == set()


def test_the_check_above_would_see_a_heavy_import():
    assert imported_by("import numpy")[0] & set(HEAVY) == {"numpy"}


IMPORT_LINE = r"^\s+(\d+\.\d) seconds( \(IMPORT FAILED\))?: .*custom_nodes[/\\]vramwise\s*$"
PROFILE_LINE = re.compile(r"^import time:\s+(?:\d+) \|\s+(?:\d+) \|( +)(.+)$", re.MULTILINE)
OURS = re.compile(r"custom_nodes[/\\]vramwise(?:$|\.)")
ONLY_TO_RUN = (
    "core.advisor",
    "core.cli",
    "core.documents.pages",
    "core.documents.saving",
    "core.hardware.budget",
    "core.hardware.machine",
    "core.jobs",
    "core.models.handle",
    "core.models.live",
    "core.models.load_plan",
    "core.models.request",
    "core.models.script_api",
    "core.ocr.engines.cpu",
    "core.ocr.engines.rapid",
    "core.ocr.vlm",
    "core.panel_data",
    "core.planning",
    "core.weights.model_download",
)
# Who keeps a live model: a release looks there for models, and finds none yet.
AT_START_TOO = {"core.ocr.vlm", "core.ocr.vlm.model_owner"}


@pytest.fixture(scope="module")
def bare_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare") / "pack"
    folder.mkdir()
    shutil.copy(ROOT / "__init__.py", folder)
    for part in ("core", "nodes", "assets"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def bare_server(comfy, bare_folder, bytecode):
    """(a second server, with --cache-none, whose pack has only what it needs: no web, no workflows, no docs;
    what it printed until it answered, with Python's own import profile).
    """
    from devtools.comfy.server import ComfyServer

    profiling = {**bytecode, "PYTHONPROFILEIMPORTTIME": "1"}
    with ComfyServer(pack=bare_folder, extra_args=["--cache-none"], env=profiling) as server:
        server.wait_ready()
        yield server, server.log


@pytest.fixture(scope="module")
def bare_client(bare_server):
    from devtools.comfy.client import ComfyClient

    return ComfyClient(bare_server[0].url)


@pytest.fixture(scope="module")
def imported_in_comfyui(bare_server):
    """(the modules that ComfyUI's start imported for this pack, in order, and what it printed). In the
    profile, what a module imports stands above it, further to the right.
    """
    log = bare_server[1]
    found = [(len(indent), name) for indent, name in PROFILE_LINE.findall(log)]
    ours = [at for at, (_, name) in enumerate(found) if OURS.search(name)]
    root = next(at for at in ours if found[at][1].endswith("vramwise.nodes"))
    begin = root
    while found[begin - 1][0] > found[root][0]:
        begin -= 1
    return [name for _, name in found[begin : ours[-1] + 1]], log


def test_comfyui_imports_for_the_pack_only_the_pack(imported_in_comfyui):
    """And of it only what the nodes' schemas need. `dev.py bench import_time` says how long that takes."""
    names, log = imported_in_comfyui
    (seconds, failed), *_ = re.findall(IMPORT_LINE, log, re.MULTILINE)
    print(f"ComfyUI, profiled: {seconds} seconds for {len(names)} modules")
    assert not failed, log
    foreign = [name for name in names if not OURS.search(name)]
    assert [name for name in foreign if name.split(".")[0] not in sys.stdlib_module_names] == []
    for part in ONLY_TO_RUN:
        path = ROOT / part.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{part} is no module of ours any more"
    own = {OURS.split(name)[-1] for name in names if OURS.search(name)}
    assert {"nodes", "nodes.ocr", "core.settings"} <= own
    assert {name for name in own if name.startswith(ONLY_TO_RUN)} - AT_START_TOO == set()


def test_at_start_up_the_log_has_no_complaint_about_the_pack(comfy):
    from devtools.comfy.server import pack_import_problem

    assert pack_import_problem(comfy.log) == ""
    starting_up = comfy.log.split("Starting server")[0]
    ours = [
        line for line in starting_up.splitlines() if re.search(r"custom_nodes[/\\]vramwise|VRAMwise", line)
    ]
    assert ours, "the pack is named in the table of import times"
    for line in ours:
        assert not re.search(r"error|warning|failed|deprecat", line, re.IGNORECASE), line


def test_without_its_web_folder_and_without_a_cache_it_reads_the_same_text(
    bare_client, read_text, sample_text
):
    result = bare_client.run(read_text())
    assert result.ok, result.error_text
    assert result.outputs["4"]["text"] == [sample_text]


def test_without_a_cache_a_second_run_reads_again(bare_client, read_text, sample_text):
    result = bare_client.run(read_text())
    assert result.ok and "4" in result.executed and result.cached == []
    assert result.outputs["4"]["text"] == [sample_text]


def test_running_it_writes_nothing_into_the_packs_own_folder(bare_client, bare_folder, graph, sample_text):
    def files() -> dict[str, int]:
        found = (p for p in bare_folder.rglob("*") if p.is_file() and p.parent.name != "__pycache__")
        return {p.relative_to(bare_folder).as_posix(): p.stat().st_mtime_ns for p in found}

    before = files()
    graph.picture("page", "vramwise_sample.png").read("ocr", "page", language="en").release(
        anything=["ocr", 0]
    )
    assert bare_client.run(graph).outputs["ocr"]["text"] == [sample_text]
    assert files() == before
    assert {name.split("/")[0] for name in before} == {"__init__.py", "core", "nodes", "assets"}
