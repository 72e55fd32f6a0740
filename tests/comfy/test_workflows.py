"""Every example workflow, as its API twin, on a real server that has the model files it names.

The files are stand-ins of their kind: a tiny random Stable Diffusion 1.5 checkpoint under the name of each
checkpoint, a tiny random Qwen3-VL folder. Only sizes, steps and pictures are made smaller; the nodes, their
links and the model names are those of the file. What the models paint is noise, so the claims are about what
is done with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from devtools.workflows.export import SUBGRAPHS, TITLES, twin_of, workflow_of
from tests.fixtures.write_pdf import write_pdf

if TYPE_CHECKING:
    from PIL import Image

    from devtools.comfy.client import ComfyClient, RunResult
    from devtools.comfy.server import ComfyServer

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ.get("VRAMWISE_TEST_TOOLS", ROOT / ".comfy"))  # set by `dev.py test --newest`
CLI = TOOLS / "venv-comfy-cli" / ("Scripts" if os.name == "nt" else "bin")
QWEN = "Qwen3-VL-2B-Instruct"
PAGE = ("OPEN DAILY", "Fresh Bread")
TRANSLATION = ("SIEMPRE ABIERTO", "Pan fresco")
NAMES = sorted(TITLES)

pytestmark = pytest.mark.comfy

Prompt = dict[str, dict[str, Any]]


# --- a server that has the models -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def comfy(
    require: Callable[[object, str], None],
    tmp_path_factory: pytest.TempPathFactory,
    bytecode: dict[str, str | None],
    draw: Callable[..., Image.Image],
) -> Iterator[ComfyServer]:
    from devtools.comfy.server import ComfyServer, default_comfy_dir, pack_import_problem
    from devtools.tiny_models.build import tiny_checkpoint
    from devtools.tiny_models.diffusion import offer_checkpoint
    from devtools.workflows.image_models import CHECKPOINTS

    pytest.importorskip("transformers")
    checkout = default_comfy_dir()
    require(
        (checkout / "main.py").is_file(),
        f"There is no ComfyUI in {checkout}: run `python dev.py demo` once, or give one with --comfy DIR.",
    )
    base = tmp_path_factory.mktemp("workflows_server")
    offer_checkpoint(base / "models", *CHECKPOINTS)
    shutil.copytree(tiny_checkpoint("qwen3_vl"), base / "models" / "LLM" / QWEN)
    fill_input(base / "input", draw)
    away = {"HF_HOME": str(base / "nobody"), "HF_HUB_CACHE": None, "HUGGINGFACE_HUB_CACHE": None}
    env = {**bytecode, **away, "VRAMWISE_MODELS": None, "VRAMWISE_CONFIG": None}
    with ComfyServer(base_dir=base, env=env) as server:
        server.wait_ready()
        if not server.has_node("VramwiseOCR"):
            pytest.fail(f"The pack did not load: {pack_import_problem(server.log)}", pytrace=False)
        yield server


def fill_input(folder: Path, draw: Callable[..., Image.Image]) -> None:
    """page.png, posters p0 to p2 of which the second is spelt right, a folder of pictures, a PDF."""
    (folder / "pets").mkdir(parents=True)
    draw(PAGE, (384, 192), 30).save(folder / "page.png")
    for at, text in enumerate(("QUIET WATRE", "QUIET WATER", "QUITE WATER")):
        draw([text], (480, 128), 40).save(folder / f"p{at}.png")
    for name in ("cat", "dog"):
        draw([name], (160, 128)).save(folder / "pets" / f"{name}.png")
    (folder / "report.pdf").write_bytes(write_pdf(["Annual Report", "Second Page"], (400, 200)))


@pytest.fixture(scope="module")
def client(comfy: ComfyServer) -> ComfyClient:
    from devtools.comfy.client import ComfyClient

    return ComfyClient(comfy.url)


# --- the prompts ------------------------------------------------------------------------------------------

SMALLER = {"steps": 1, "width": 64, "height": 64, "max_new_tokens": 4}
PICTURE = {"LoadImage": {"image": "page.png"}}
CHANGED: dict[str, dict[str, dict[str, Any]]] = {
    "advisor_picks_the_model": PICTURE,
    "best_of_a_batch": {"EmptySD3LatentImage": {"batch_size": 3}},
    "caption_a_folder": {"VramwiseLoadPages": {"file": "pets"}, "VramwiseOCR": {"max_new_tokens": 4}},
    "pdf_to_markdown": {"VramwiseLoadPages": {"file": "report.pdf"}},
    "replace_the_word": {**PICTURE, "VramwiseTextMask": {"find": "bread"}},
    "share_a_small_card": {**PICTURE, "VramwiseOCR": {"max_new_tokens": 4}},
    "translate_a_page": {**PICTURE, "VramwiseDrawText": {"texts": "\n".join(TRANSLATION)}},
}


def prompt_of(name: str) -> Prompt:
    """A workflow's twin, small enough for a processor."""
    prompt: Prompt = json.loads(twin_of(workflow_of(name)).read_text(encoding="utf-8"))
    for node in prompt.values():
        inputs = node["inputs"]
        inputs.update({key: value for key, value in SMALLER.items() if inputs.get(key)})
        inputs.update(CHANGED.get(name, {}).get(node["class_type"], {}))
    return prompt


def the(prompt: Prompt, class_type: str, title: str = "") -> str:
    """The id of the only node of this class, and with this title, if one is given."""
    (found,) = (
        key
        for key, node in prompt.items()
        if node["class_type"] == class_type and title in ("", node["_meta"]["title"])
    )
    return found


def shown(result: RunResult, prompt: Prompt, title: str) -> str:
    """The text in the preview with this title."""
    return "\n".join(result.outputs[the(prompt, "PreviewAny", title)]["text"])


def pixels(client: ComfyClient, entry: dict[str, str]) -> Any:
    import io

    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(client.view(entry))).convert("RGB"))


class ByCli(NamedTuple):
    """What `comfy run` answered, and the history of what it queued."""

    done: subprocess.CompletedProcess[str]
    entry: dict[str, Any]

    def outputs(self) -> dict[str, dict[str, Any]]:
        """Those of a run that ended well."""
        assert self.done.returncode == 0, f"{self.done.stdout}\n{self.done.stderr}"
        assert self.entry["status"]["completed"]
        return dict(self.entry["outputs"])


class Ran(NamedTuple):
    """A workflow run by this client, and the same prompt by comfy-cli where that is installed."""

    prompt: Prompt
    result: RunResult
    by_cli: ByCli | None


@pytest.fixture(scope="module")
def comfy_run(client: ComfyClient, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ByCli]:
    """``comfy_run(text)``: `comfy run` on a file that holds this, waited for."""
    home = tmp_path_factory.mktemp("cli")
    env = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "DO_NOT_TRACK": "1"}
    host, port = client.url.removeprefix("http://").split(":")

    def cli(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(CLI / "comfy"), "--skip-prompt", *words],
            cwd=home,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
        )

    def run(text: str) -> ByCli:
        (home / "workflow.json").write_text(text, encoding="utf-8")
        server = ("--host", host, "--port", port)
        done = cli("--json", "run", "--workflow", "workflow.json", "--wait", *server)
        (entry,) = client.get_json("/history?max_items=1").values()
        return ByCli(done, entry)

    assert cli("tracking", "disable").returncode == 0
    return run


@pytest.fixture(scope="module")
def ran(client: ComfyClient, request: pytest.FixtureRequest) -> Callable[[str], Ran]:
    """``ran(name)``: the example workflow, run when it is first asked for.

    Both runs follow each other: ComfyUI keeps what the last prompt made, so the second costs next to nothing.
    """

    @cache
    def run(name: str) -> Ran:
        prompt = prompt_of(name)
        result = client.run(prompt)
        by_cli = None
        if result.ok and (CLI / "comfy").exists():
            by_cli = request.getfixturevalue("comfy_run")(json.dumps(prompt))
        return Ran(prompt, result, by_cli)

    def succeeded(name: str) -> Ran:
        found = run(name)
        assert found.result.ok, found.result.error_text
        return found

    return succeeded


# --- what they do -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_file_names_only_models_that_its_note_explains(name: str) -> None:
    ui = json.loads(workflow_of(name).read_text(encoding="utf-8"))
    (note,) = (node["widgets_values"][0] for node in ui["nodes"] if node["type"] == "MarkdownNote")
    assert "- **" in note, "what to change"
    for node in ui["nodes"]:
        if node["type"] == "CheckpointLoaderSimple":
            (file,) = node["widgets_values"]
            assert f"{file} (" in note, "the note says how large it is"
            assert "*models/checkpoints*" in note
            assert "https://huggingface.co/" in note and "too" in note, "who else brings it"
        if node["type"] == "VramwiseOCRModelLoader" and node["widgets_values"][0] not in (
            "rapid",
            "tesseract",
        ):
            assert f"*models/LLM/{QWEN}*" in note
            assert "press *Download*" in note


def test_read_text_reads_the_sample(ran: Callable[[str], Ran], sample_text: str) -> None:
    prompt, result, _ = ran("read_text")
    assert shown(result, prompt, "The text").split("\n\n") == sample_text.split("\n")


def test_a_poster_is_translated_without_any_model(client: ComfyClient, ran: Callable[[str], Ran]) -> None:
    prompt, result, _ = ran("translate_a_poster")
    assert "CheckpointLoaderSimple" not in {node["class_type"] for node in prompt.values()}
    report = "\n".join(result.outputs[the(prompt, "VramwiseDrawText")]["text"])
    assert "Caf\u00e9 del Faro" in report and "no room" not in report
    whole = pixels(client, result.outputs[the(prompt, "PreviewImage", "The translated poster")]["images"][0])
    before = pixels(client, {"filename": "vramwise_sample.png", "subfolder": "", "type": "input"})
    changed = (before != whole).any(axis=-1)
    assert 0.02 < changed.mean() < 0.5


@pytest.mark.parametrize("name", ["best_of_a_batch", "replace_the_word", "translate_a_page"])
def test_a_missing_checkpoint_is_told_by_the_server(client: ComfyClient, name: str) -> None:
    prompt = prompt_of(name)
    prompt[the(prompt, "CheckpointLoaderSimple")]["inputs"]["ckpt_name"] = "nobody.safetensors"
    result = client.run(prompt)
    assert "nobody.safetensors" in json.dumps(result.node_errors)
    if name == "best_of_a_batch":  # nothing of it can run
        assert not result.ok


def test_what_can_my_gpu_run_reports_on_this_machine_and_on_another_card(ran: Callable[[str], Ran]) -> None:
    prompt, result, _ = ran("what_can_my_gpu_run")
    assert result.outputs[the(prompt, "VramwiseGPUProbe")]
    here, other = (
        result.outputs[the(prompt, "VramwiseModelAdvisor", title)]
        for title in ("Model Advisor", "Another card")
    )
    assert "RTX 4060 Ti" in other["text"][0] and "RTX 4060 Ti" not in here["text"][0]
    assert other["advice"][0]["summary"]["lines"][0]["task"] == "OCR"


def test_the_advisors_pick_reads_and_is_released_before_the_sampler_runs(ran: Callable[[str], Ran]) -> None:
    prompt, result, _ = ran("advisor_picks_the_model")
    (model,) = (
        node["inputs"]["model"]
        for node in prompt.values()
        if "model" in node["inputs"] and "device" in node["inputs"]
    )
    assert model == [the(prompt, "VramwiseModelAdvisor"), 1]
    order = result.executed
    assert order.index(the(prompt, "VramwiseOCR")) < order.index(the(prompt, "VramwiseMemoryRelease"))
    assert order.index(the(prompt, "VramwiseMemoryRelease")) < order.index(the(prompt, "KSampler"))
    (released,) = result.outputs[the(prompt, "VramwiseMemoryRelease")]["text"]
    assert released.startswith("Released: ocr models")
    assert result.outputs[the(prompt, "PreviewImage")]["images"]


def test_only_the_word_is_painted_anew(
    client: ComfyClient, ran: Callable[[str], Ran], comfy: ComfyServer
) -> None:
    import numpy as np
    from PIL import Image

    prompt, result, _ = ran("replace_the_word")
    (said,) = result.outputs[the(prompt, "VramwiseTextMask")]["text"]
    assert "Found 1" in said
    before = np.asarray(Image.open(comfy.input_dir / "page.png").convert("RGB"))
    after = pixels(client, result.outputs[the(prompt, "PreviewImage")]["images"][0])
    mask = pixels(client, result.outputs[the(prompt, "MaskPreview")]["images"][0])[..., 0] > 0
    changed = (before != after).any(axis=-1)
    assert not changed[~mask].any()
    assert changed[mask].mean() > 0.5
    assert 0.01 < mask.mean() < 0.5


def test_a_batch_is_painted_scored_and_its_best_one_saved(
    ran: Callable[[str], Ran], comfy: ComfyServer
) -> None:
    prompt, result, _ = ran("best_of_a_batch")
    (record,) = result.outputs[the(prompt, "VramwiseOCRScore")]["score"]
    assert [image["expected"] for image in record["images"]] == ["QUIET WATER"] * 3
    assert not record["passed"], "noise says nothing"
    (saved,) = result.outputs[the(prompt, "SaveImage")]["images"]
    assert (comfy.base_dir / "output" / saved["subfolder"] / saved["filename"]).is_file()


def test_of_three_posters_the_one_that_is_spelt_right_is_kept(
    client: ComfyClient, comfy: ComfyServer
) -> None:
    import numpy as np
    from PIL import Image

    prompt = prompt_of("best_of_a_batch")
    painted = the(prompt, "VAEDecode")
    for at in range(3):
        prompt[f"p{at}"] = {
            "class_type": "LoadImage",
            "inputs": {"image": f"p{at}.png"},
            "_meta": {"title": ""},
        }
    two = {"image1": ["p0", 0], "image2": ["p1", 0]}
    prompt["two"] = {"class_type": "ImageBatch", "inputs": two, "_meta": {"title": ""}}
    # in the place of what the model painted
    prompt[painted] = {
        "class_type": "ImageBatch",
        "inputs": {"image1": ["two", 0], "image2": ["p2", 0]},
        "_meta": {"title": ""},
    }
    result = client.run(prompt)
    assert result.ok, result.error_text
    assert result.outputs[the(prompt, "VramwiseOCRScore")]["score"][0]["passed"]
    kept = pixels(client, result.outputs[the(prompt, "SaveImage")]["images"][0])
    assert np.array_equal(kept, np.asarray(Image.open(comfy.input_dir / "p1.png").convert("RGB")))


def test_every_picture_of_a_folder_gets_a_caption_beside_it(
    ran: Callable[[str], Ran], comfy: ComfyServer
) -> None:
    prompt, result, _ = ran("caption_a_folder")
    folder = comfy.base_dir / "output" / "captions"
    assert sorted(path.name for path in folder.iterdir()) == ["cat.png", "cat.txt", "dog.png", "dog.txt"]
    captions = [(folder / f"{name}.txt").read_text(encoding="utf-8") for name in ("cat", "dog")]
    assert captions == result.outputs[the(prompt, "VramwiseOCR")]["text"]


def test_a_pdf_becomes_a_markdown_file_with_its_pages_in_order(
    ran: Callable[[str], Ran], comfy: ComfyServer
) -> None:
    prompt, result, _ = ran("pdf_to_markdown")
    (file,) = result.outputs[the(prompt, "VramwiseSaveText")]["files"]
    assert file["filename"] == "report.md"
    text = (comfy.base_dir / "output" / "documents" / "report.md").read_text(encoding="utf-8")
    first, second = text.removeprefix("<!-- page 1 -->").split("<!-- page 2 -->")
    assert "Annual Report" in first and "Second Page" in second


def test_a_page_gets_its_translation_where_the_lines_were(
    client: ComfyClient, ran: Callable[[str], Ran]
) -> None:
    import numpy as np

    prompt, result, _ = ran("translate_a_page")
    report = "\n".join(result.outputs[the(prompt, "VramwiseDrawText")]["text"])
    assert all(text.split()[0] in report for text in TRANSLATION), report
    painted = the(prompt, "ImageCompositeMasked")
    prompt["bare"] = {
        "class_type": "PreviewImage",
        "inputs": {"images": [painted, 0]},
        "_meta": {"title": ""},
    }
    bare = pixels(client, client.run(prompt).outputs["bare"]["images"][0])
    page = pixels(client, result.outputs[the(prompt, "PreviewImage", "The translated page")]["images"][0])
    ink = (bare != page).any(axis=-1)
    assert ink.any()
    rows = np.flatnonzero(ink.any(axis=1))
    assert rows.min() > 30 and rows.max() < 150, "the two lines stand between these rows of the page"


def test_both_models_take_turns_and_the_card_is_left_empty(ran: Callable[[str], Ran]) -> None:
    prompt, result, _ = ran("share_a_small_card")
    order = result.executed
    first, second = (
        the(prompt, "VramwiseOCR", "Read the picture"),
        the(prompt, "VramwiseOCR", "Read the painting"),
    )
    assert order.index(first) < order.index(the(prompt, "KSampler")) < order.index(second)
    assert result.outputs[first]["ocr"][0]["model"] == result.outputs[second]["ocr"][0]["model"]
    (released,) = result.outputs[the(prompt, "VramwiseMemoryRelease")]["text"]
    assert released.startswith("Released: all models")


# --- the eight graphs of test_eight_graphs.py that paint or caption ---------------------------------------

GRAPHS = Path(__file__).with_name("graphs")


def run_graph(client: ComfyClient, name: str) -> RunResult:
    result = client.run(json.loads((GRAPHS / f"{name}.json").read_text(encoding="utf-8")))
    assert result.ok, result.error_text
    return result


def test_a_sampled_batch_is_read_and_saved_one_text_a_picture(client: ComfyClient) -> None:
    assert len(run_graph(client, "ocr_of_a_sampled_batch").outputs["save"]["files"]) == 2


def test_a_word_is_found_and_painted_over(client: ComfyClient, comfy: ComfyServer) -> None:
    import numpy as np
    from PIL import Image

    outputs = run_graph(client, "find_a_word_and_inpaint_it").outputs
    before = np.asarray(Image.open(comfy.input_dir / "page.png").convert("RGB"))
    assert pixels(client, outputs["save"]["images"][0]).shape == before.shape
    assert "Bread" in outputs["word"]["text"][0]


def test_memory_is_released_between_reading_and_sampling(client: ComfyClient) -> None:
    order = run_graph(client, "ocr_and_release_before_a_sampler").executed
    assert order.index("read") < order.index("release") < order.index("sample")


def test_the_best_of_a_batch_is_kept_and_all_are_shown_in_order(client: ComfyClient) -> None:
    outputs = run_graph(client, "score_a_batch_and_keep_the_best").outputs
    assert len(outputs["best"]["images"]) == 1 and len(outputs["all"]["images"]) == 3


def test_a_folder_is_captioned_without_a_prompt(client: ComfyClient, comfy: ComfyServer) -> None:
    run_graph(client, "caption_a_folder")
    names = sorted(path.name for path in (comfy.base_dir / "output" / "eight_captions").iterdir())
    assert names == ["cat.png", "cat.txt", "dog.png", "dog.txt"]


# --- without a browser ------------------------------------------------------------------------------------


@pytest.fixture
def cli(require: Callable[[object, str], None]) -> None:
    require((CLI / "comfy").exists(), "comfy-cli is missing: `python dev.py test` puts it into .comfy.")


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize("name", NAMES)
def test_comfy_run_ends_completed(name: str, ran: Callable[[str], Ran]) -> None:
    _, result, by_cli = ran(name)
    assert by_cli is not None
    assert texts_of(by_cli.outputs()) == texts_of(result.outputs)


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize("name", ["read_text", "what_can_my_gpu_run", "pdf_to_markdown"])
def test_comfy_run_takes_the_file_that_a_person_opens(name: str, comfy_run: Callable[[str], ByCli]) -> None:
    file = workflow_of(name)
    assert texts_of(comfy_run(file.read_text(encoding="utf-8")).outputs())


def texts_of(outputs: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """What OCR read; reports of memory differ from run to run."""
    return {key: shown["text"] for key, shown in outputs.items() if "text" in shown and "ocr" in shown} or {
        key: ["shown"] for key, shown in outputs.items() if "text" in shown
    }


# --- blueprints -------------------------------------------------------------------------------------------


def test_the_server_offers_every_blueprint(client: ComfyClient) -> None:
    offered = client.get_json("/global_subgraphs")
    ours = {entry["name"]: key for key, entry in offered.items() if "vramwise" in entry["info"]["node_pack"]}
    assert sorted(ours) == sorted(path.stem for path in SUBGRAPHS.glob("*.json"))
    for name, key in ours.items():
        data = json.loads(client.get_json(f"/global_subgraphs/{key}")["data"])
        (node,), (graph,) = data["nodes"], data["definitions"]["subgraphs"]
        assert node["type"] == graph["id"]
        assert graph["name"] == name
