"""What newer ComfyUI makes of the outputs of ours: assets in its database (--enable-assets), and jobs that
count them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import ComfyServer

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def comfy(comfy_has: Callable[[str], bool]) -> Iterator[ComfyServer]:
    from devtools.comfy.server import ComfyServer

    if not comfy_has("comfy_execution.asset_enrichment.enrich_output_with_assets"):
        pytest.skip("This ComfyUI has no assets.")
    with ComfyServer(extra_args=["--enable-assets"]) as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="module")
def client(comfy: ComfyServer) -> ComfyClient:
    from devtools.comfy.client import ComfyClient

    return ComfyClient(comfy.url)


def test_pictures_and_texts_of_ours_are_assets_and_are_shown_as_before(
    client: ComfyClient, graph: Any, sample_text: str
) -> None:
    from PIL import Image

    graph.picture("page", "vramwise_sample.png").read("12:3", "page")
    graph.node("shown", "PreviewImage", images=["12:3", 5])
    graph.node("saved", "VramwiseSaveText", text=["12:3", 0], format="txt", filename_prefix="in/here")
    result = client.run(graph)
    assert result.ok, result.error_text
    assert result.outputs["12:3"]["text"] == [sample_text]
    (page,), (overlay,) = result.outputs["12:3"]["pages"], result.outputs["shown"]["images"]
    (text,), (shown,) = result.outputs["saved"]["files"], result.outputs["12:3"]["files"]
    assert all(entry["id"] for entry in (overlay, text, shown)) and "id" not in page
    for entry in (page, overlay):
        assert Image.open(io.BytesIO(client.view(entry))).size == (960, 640)
    for entry in (overlay, shown):
        held = client.request(f"/api/assets/{entry['id']}/content")
        assert held.status == 200 and held.body == client.view(entry)
    assert text["subfolder"] == "in" and sample_text in client.view(text).decode()


def test_a_job_is_shown_by_what_was_read_or_reported_and_counts_nothing_that_only_a_panel_draws(
    client: ComfyClient, graph: Any, new_graph: type[Any], sample_text: str
) -> None:
    graph.picture("page", "vramwise_sample.png").read("ocr", "page")
    reading = client.run(graph)
    job = client.get_json(f"/api/jobs/{reading.prompt_id}")
    assert (job["outputs_count"], job["previewable_outputs_count"]) == (2, 1), "the record and the text"
    shown = job["preview_output"]
    assert (shown["nodeId"], shown["type"], client.view(shown).decode()) == ("ocr", "temp", sample_text)
    assert len(json.dumps(shown)) < 300, "a list of jobs has this of each"
    reports = new_graph().picture("page", "vramwise_sample.png").release("gone")
    reports.node("score", "VramwiseOCRScore", image=["page", 0], expected=sample_text)
    told = client.run(reports.node("probe", "VramwiseGPUProbe", device="cpu", refresh=0))
    job = client.get_json(f"/api/jobs/{told.prompt_id}")
    assert (job["outputs_count"], job["previewable_outputs_count"]) == (2, 2), "two reports; none of memory"
    shown = job["preview_output"]
    assert client.view(shown).decode() == told.outputs[shown["nodeId"]]["text"][0]
