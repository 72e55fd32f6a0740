"""Make what is derived from workflows/*.json: the API twins, and with --previews the pictures.

    python dev.py workflows                        writes workflows/api/*.json
    python dev.py workflows --draw                 before that, workflows/*.json and subgraphs/*.json anew,
                                                   from devtools/workflows/examples.py
    python dev.py workflows --previews [NAME...]   also their pictures: workflows/*.jpg, docs/screens/*.png

The frontend itself draws and converts, so a twin is what pressing Run would send. Running twice changes
nothing but, perhaps, the bytes of the pictures.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devtools.comfy.browser import Frontend, FrontendError, Workflow
from devtools.comfy.client import ComfyClient
from devtools.comfy.server import ROOT, ComfyServer, ComfyServerError
from devtools.workflows.drawing import draw, draw_blueprint
from devtools.workflows.examples import BLUEPRINTS, DRAWINGS

if TYPE_CHECKING:
    from PIL import Image

WORKFLOWS = ROOT / "workflows"
TITLES = {drawing.name: drawing.title for drawing in (draw_it() for draw_it in DRAWINGS)}
NAMES = {title: name for name, title in TITLES.items()}
SUBGRAPHS = ROOT / "subgraphs"
SCREENS = ROOT / "docs" / "screens"
SCREEN_WIDTH, SCREEN_BYTES = 960, 300_000
VIEW = 2400, 1400  # below 60 % the frontend leaves the writing out
README_WORKFLOW = "read_text"
# those that run here, and are pictured as they ran
PICTURED = ("read_text", "translate_a_poster")


def workflow_files() -> list[Path]:
    """The workflows that the template browser lists."""
    return sorted(WORKFLOWS.glob("*.json"))


def twin_of(workflow: Path) -> Path:
    """Its twin: a file is called by its title, the twin by the name that programs use."""
    return WORKFLOWS / "api" / f"{NAMES[workflow.stem]}.json"


def workflow_of(name: str) -> Path:
    """The workflow by the name of its twin, such as ``read_text``."""
    return WORKFLOWS / f"{TITLES[name]}.json"


def read_workflow(workflow: Path) -> Workflow:
    return dict(json.loads(workflow.read_text(encoding="utf-8")))


def api_twin(frontend: Frontend, workflow: Path) -> str:
    """The text of a workflow's API twin: what the frontend makes of it, nodes in the order of their ids."""
    frontend.load_workflow(read_workflow(workflow), workflow.stem)
    prompt: dict[str, Any] = frontend.prompt_of_graph()
    for node in prompt.values():
        if node["class_type"] == "PreviewAny":
            node["inputs"].pop("preview", None)  # its text panel, which older frontends send along
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
        yield workflow_of(page.name), as_file(draw(frontend, page))
    for blueprint in BLUEPRINTS:
        part = blueprint()
        yield SUBGRAPHS / f"{part.name}.json", as_file(draw_blueprint(frontend, part))


def write_previews(frontend: Frontend, client: ComfyClient, workflow: Path) -> list[Path]:
    """The thumbnail of a workflow, of what it makes; the one that the README shows is also pictured whole."""
    from devtools.workflows.thumbnails import thumbnail

    name = NAMES[workflow.stem]
    runs = pictures_of(client, name) if name in PICTURED else {}
    target = workflow.with_suffix(".jpg")
    target.write_bytes(thumbnail(name, runs))
    if name != README_WORKFLOW:
        return [target]
    frontend.load_workflow(read_workflow(workflow), workflow.stem)
    frontend.run_and_wait(timeout_s=600)
    frontend.wait_for_pictures()
    frontend.show_graph_only()
    whole = frontend.screenshot(clip=frontend.look_at())
    overlay = io.BytesIO()
    runs["Where the text was found"].save(overlay, "PNG")
    return [
        target,
        write_screen(SCREENS / f"{name}.png", whole),
        write_screen(SCREENS / "overlay.png", overlay.getvalue()),
    ]


def pictures_of(client: ComfyClient, name: str) -> dict[str, Image.Image]:
    """What the preview nodes of a workflow show after a run, by their titles."""
    from PIL import Image

    prompt = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
    result = client.run(prompt)
    if not result.ok:
        raise FrontendError(f"{name}: {result.error_text}")
    return {
        prompt[key]["_meta"]["title"]: Image.open(io.BytesIO(client.view(shown["images"][0]))).convert("RGB")
        for key, shown in result.outputs.items()
        if shown.get("images")
    }


def write_screen(target: Path, png: bytes) -> Path:
    """Write a picture for the documentation as a small PNG."""
    from PIL import Image

    picture: Image.Image = Image.open(io.BytesIO(png)).convert("RGB")
    packed = io.BytesIO()
    if picture.width > SCREEN_WIDTH:
        height = round(picture.height * SCREEN_WIDTH / picture.width)
        picture = picture.resize((SCREEN_WIDTH, height), Image.Resampling.LANCZOS)
    picture.save(packed, "PNG", optimize=True)
    if packed.tell() > SCREEN_BYTES:
        raise FrontendError(f"{target.name} would have {packed.tell()} bytes; it may have {SCREEN_BYTES}.")
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
            if names and NAMES[workflow.stem] not in names:
                continue
            frontend.open(server.url)
            twin = twin_of(workflow)
            changed = write_if_changed(twin, api_twin(frontend, workflow))
            print(f"{twin.relative_to(ROOT).as_posix()}: {'written' if changed else 'unchanged'}", flush=True)
            for picture in write_previews(frontend, client, workflow) if previews else ():
                print(f"{picture.relative_to(ROOT).as_posix()}: {picture.stat().st_size} bytes", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py workflows", description="Regenerate the API twins.")
    parser.add_argument("--previews", action="store_true", help="also make their pictures")
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
