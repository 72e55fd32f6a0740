"""Make what is derived from workflows/*.json: the API twins, and with --previews the pictures.

    python dev.py workflows                        writes workflows/api/*.json
    python dev.py workflows --draw                 before that, workflows/*.json and subgraphs/*.json anew,
                                                   from devtools/workflows/examples.py
    python dev.py workflows --previews [NAME...]   also runs each one: workflows/*.jpg, docs/screens/*.png

The frontend itself draws and converts, so a twin is what pressing Run would send. Running twice changes
nothing but, perhaps, the bytes of the pictures. Nodes that need model files which nobody has here are left
out of the run that is pictured.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from devtools.comfy.browser import Frontend, FrontendError, Workflow
from devtools.comfy.client import ComfyClient
from devtools.comfy.server import ROOT, ComfyServer, ComfyServerError
from devtools.workflows.drawing import draw, draw_blueprint
from devtools.workflows.examples import BLUEPRINTS, DRAWINGS

WORKFLOWS = ROOT / "workflows"
SUBGRAPHS = ROOT / "subgraphs"
SCREENS = ROOT / "docs" / "screens"
PREVIEW_WIDTH, PREVIEW_BYTES, JPEG_QUALITY = 1280, 150_000, 70
SCREEN_WIDTH, SCREEN_BYTES = 960, 300_000
VIEW = 2400, 1400  # below 60 % the frontend leaves the writing out
README_WORKFLOW = "read_text"
BUILT_IN = ("rapid", "tesseract")
MODE = """([ids, mode]) => {
    for (const node of window.app.graph.nodes) if (ids.includes(Number(node.id))) node.mode = mode
}"""
NORMAL, MUTED = 0, 2
PROBE_REPORT = 1  # the output of GPU Probe that is text


def workflow_files() -> list[Path]:
    """The workflows that the template browser lists."""
    return sorted(WORKFLOWS.glob("*.json"))


def twin_of(workflow: Path) -> Path:
    return workflow.parent / "api" / workflow.name


def read_workflow(workflow: Path) -> Workflow:
    return dict(json.loads(workflow.read_text(encoding="utf-8")))


def api_twin(frontend: Frontend, workflow: Path) -> str:
    """The text of a workflow's API twin: what the frontend makes of it, nodes in the order of their ids."""
    frontend.load_workflow(read_workflow(workflow), workflow.stem)
    prompt: dict[str, Any] = frontend.prompt_of_graph()
    ordered = {node_id: prompt[node_id] for node_id in sorted(prompt, key=node_order)}
    return json.dumps(ordered, ensure_ascii=False, indent=2) + "\n"


def node_order(node_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in node_id.split(":"))  # "3:12" is node 12 in the subgraph 3


def as_file(ui: Workflow) -> str:
    return json.dumps(ui, ensure_ascii=False, indent=2) + "\n"


def drawn(frontend: Frontend) -> Iterator[tuple[Path, str]]:
    """Every file that is drawn, and the text it should have."""
    for drawing in DRAWINGS:
        page = drawing()
        yield WORKFLOWS / f"{page.name}.json", as_file(draw(frontend, page))
    for blueprint in BLUEPRINTS:
        part = blueprint()
        yield SUBGRAPHS / f"{part.name}.json", as_file(draw_blueprint(frontend, part))


def left_out(ui: Workflow) -> list[int]:
    """Ids of the nodes that a picture shows without running them.

    They load a model which is not built in, or wait for such a node, or show what GPU Probe says: that names
    the machine on which the picture is made.
    """
    nodes = {node["id"]: node for node in ui["nodes"]}
    waiting = [key for key, node in nodes.items() if node["type"] == "CheckpointLoaderSimple"]
    for key, node in nodes.items():
        if node["type"] == "VramwiseOCRModelLoader" and node["inputs"][0]["link"] is None:
            waiting += [key] if node["widgets_values"][0] not in BUILT_IN else []
    for waited_for in waiting:
        waiting += [link[3] for link in ui["links"] if link[1] == waited_for and link[3] not in waiting]
    probes = [key for key, node in nodes.items() if node["type"] == "VramwiseGPUProbe"]
    return waiting + [link[3] for link in ui["links"] if link[1] in probes and link[2] == PROBE_REPORT]


def write_previews(frontend: Frontend, client: ComfyClient, workflow: Path) -> list[Path]:
    """Run a workflow and picture it; the one that the README shows is also pictured for docs/screens."""
    ui = read_workflow(workflow)
    frontend.load_workflow(ui, workflow.stem)
    absent = left_out(ui)
    frontend.page.evaluate(MODE, [absent, MUTED])
    prompt_id = frontend.run_and_wait(timeout_s=600) if len(absent) < len(ui["nodes"]) - 1 else ""
    frontend.wait_for_pictures()
    frontend.page.evaluate(MODE, [absent, NORMAL])
    frontend.show_graph_only()
    whole = frontend.screenshot(clip=frontend.look_at())
    written = [write_picture(workflow.with_suffix(".jpg"), whole)]
    if workflow.stem == README_WORKFLOW:
        written.append(write_picture(SCREENS / f"{workflow.stem}.png", whole))
        written.append(write_picture(SCREENS / "overlay.png", overlay_of(client, ui, prompt_id)))
    return written


def overlay_of(client: ComfyClient, ui: Workflow, prompt_id: str) -> bytes:
    """The first picture that a PreviewImage node of the run showed."""
    entry = client.history(prompt_id) or {}
    preview = next(node["id"] for node in ui["nodes"] if node["type"] == "PreviewImage")
    return client.view(entry["outputs"][str(preview)]["images"][0])


def write_picture(target: Path, png: bytes) -> Path:
    """Write a picture as small as its kind must be: a JPEG for the template browser, or a PNG."""
    from PIL import Image

    picture: Image.Image = Image.open(io.BytesIO(png)).convert("RGB")
    packed = io.BytesIO()
    widest = PREVIEW_WIDTH if target.suffix == ".jpg" else SCREEN_WIDTH
    if picture.width > widest:
        height = round(picture.height * widest / picture.width)
        picture = picture.resize((widest, height), Image.Resampling.LANCZOS)
    if target.suffix == ".jpg":
        picture.save(packed, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
        limit = PREVIEW_BYTES
    else:
        picture.save(packed, "PNG", optimize=True)
        limit = SCREEN_BYTES
    if packed.tell() > limit:
        raise FrontendError(f"{target.name} would have {packed.tell()} bytes; it may have {limit}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(packed.getvalue())
    return target


def write_if_changed(target: Path, text: str) -> bool:
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
    return True


def make(
    previews: bool, comfy_dir: Path | None = None, redraw: bool = False, names: Sequence[str] = ()
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,  # nodes show where models go: no path of the checkout
        ComfyServer(comfy_dir=comfy_dir, base_dir=Path(folder) / "ComfyUI") as server,
        Frontend(*VIEW) as frontend,
    ):
        server.wait_ready()
        client = ComfyClient(server.url)
        if redraw:
            frontend.open(server.url)
            for target, text in drawn(frontend):
                changed = write_if_changed(target, text)
                print(f"{target.relative_to(ROOT).as_posix()}: {'drawn' if changed else 'unchanged'}")
        for workflow in workflow_files():
            if names and workflow.stem not in names:
                continue
            frontend.open(server.url)
            twin = twin_of(workflow)
            changed = write_if_changed(twin, api_twin(frontend, workflow))
            print(f"{twin.relative_to(ROOT).as_posix()}: {'written' if changed else 'unchanged'}", flush=True)
            for picture in write_previews(frontend, client, workflow) if previews else ():
                print(f"{picture.relative_to(ROOT).as_posix()}: {picture.stat().st_size} bytes", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py workflows", description="Regenerate the API twins.")
    parser.add_argument("--previews", action="store_true", help="also run each workflow and picture it")
    parser.add_argument("--draw", action="store_true", help="draw the workflows anew first")
    parser.add_argument("names", nargs="*", help="only these workflows, by their names; all, unless given")
    parser.add_argument("--comfy", type=Path, help="a ComfyUI checkout to use instead of the one in .comfy")
    args = parser.parse_args()
    try:
        make(args.previews, args.comfy, args.draw, args.names)
    except (ComfyServerError, FrontendError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
