"""The Download button for real: a hub on this machine, the real server, the real frontend. What was fetched
reads, and is evicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from vramwise.weights.file_transfer import CHUNK

from devtools.fakes.model_hub import World, serving
from devtools.tiny_models.build import held_out, trained_checkpoint
from tests.web import graphs

if TYPE_CHECKING:
    from devtools.comfy.browser import Frontend
    from devtools.comfy.server import ComfyServer

pytest.importorskip("transformers")
pytest.importorskip("huggingface_hub")
pytestmark = [pytest.mark.web, pytest.mark.comfy]

REPO, COMMIT = "Qwen/Qwen3-VL-2B-Instruct", "89644892e4d85e24eaac8bacfd4f463576704203"
WEIGHTS = "model.safetensors"
PICTURE = "held_out.png"
HALF = 2_000_000  # bytes of the weights after which the hub is slow


@pytest.fixture(scope="module")
def hub() -> Iterator[World]:
    """A hub that holds the trained tiny Qwen3-VL under the name of the published one."""
    files = {file.name: file.read_bytes() for file in trained_checkpoint("qwen3_vl").iterdir()}
    with serving(World(REPO, COMMIT, files, slow_after=HALF)) as world:
        yield world


@pytest.fixture(scope="module")
def server(hub: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A ComfyUI of its own, whose hub that is."""
    from devtools.comfy.server import ComfyServer

    nobody = str(tmp_path_factory.mktemp("nobody"))
    env: dict[str, str | None] = dict.fromkeys(("HF_TOKEN", "HF_HUB_OFFLINE", "VRAMWISE_MODELS"))
    env |= {"HF_ENDPOINT": hub.url, "HF_HOME": nobody, "NO_PROXY": "127.0.0.1"}
    with ComfyServer(env=env) as server:
        server.wait_ready()
        held_out()[0][0].save(server.input_dir / PICTURE)
        yield server


def test_a_model_is_fetched_by_the_button_stopped_taken_up_again_reads_and_is_evicted(
    browser: Frontend, server: ComfyServer, hub: World
) -> None:
    browser.open(server.url)
    browser.opened_with = None  # type: ignore[attr-defined]
    page = browser.page
    ids = graphs.build(
        browser,
        [
            ("loader", "VramwiseOCRModelLoader", (0, 0), {"model": "qwen3_vl_2b"}),
            ("picture", "LoadImage", (0, 620), {"image": PICTURE}),
            ("ocr", "VramwiseOCR", (400, 0), {}),
            ("shown", "PreviewAny", (900, 0), {}),
        ],
        [
            ("loader", 0, "ocr", "ocr_model"),
            ("picture", 0, "ocr", "image"),
            ("ocr", 0, "shown", "source"),
        ],
    )
    missing = page.locator(".vw-missing")
    missing.get_by_role("button", name="Download").wait_for()
    assert hub.asked == []  # opening, planning and looking fetch nothing

    missing.get_by_role("button", name="Download").click()
    missing.get_by_role("progressbar").wait_for()
    page.wait_for_function(f"() => document.querySelector('.vw-missing progress')?.value >= {HALF}")
    missing.get_by_role("button", name="Cancel").click()
    missing.get_by_text("Stopped").wait_for()

    hub.go.set()
    missing.get_by_role("button", name="Download").click()
    missing.wait_for(state="detached")
    first, second = [wanted for path, wanted, _ in hub.asked if path == f"/cdn/{WEIGHTS}"]
    assert first is None and second is not None
    # what had arrived is not asked for again, but for the piece that Cancel cut off
    assert int(second.removeprefix("bytes=").rstrip("-")) > HALF - CHUNK
    folder = server.base_dir / "models" / "LLM" / REPO.rsplit("/", 1)[-1]
    assert {file.name for file in folder.iterdir()} == {*hub.files, ".vramwise.json"}
    assert all(Path(folder, name).read_bytes() == content for name, content in hub.files.items())

    browser.run_and_wait()
    assert held_out()[0][1] in graphs.plain_text(browser, ids["shown"])

    memory = graphs.open_tab(page).get_by_role("region", name="In memory")
    memory.get_by_role("button", name=f"Evict {folder.name}").click()
    memory.get_by_text("No model of this pack is in memory.").wait_for()
    graphs.close_tab(page)
    assert browser.console == []
