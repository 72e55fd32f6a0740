"""Make what is derived from workflows/*.json: the API twins, and with --previews the pictures.

    python dev.py workflows              writes workflows/api/*.json
    python dev.py workflows --previews   also runs each workflow: workflows/*.jpg and docs/screens/*.png

The frontend itself converts, so a twin is what pressing Run would send. Running twice changes nothing but,
perhaps, the bytes of the pictures.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

from devtools.comfy_client import ComfyClient
from devtools.comfy_server import ROOT, ComfyServer, ComfyServerError
from devtools.frontend import Frontend, FrontendError, Workflow

WORKFLOWS = ROOT / "workflows"
SCREENS = ROOT / "docs" / "screens"
PREVIEW_WIDTH, PREVIEW_BYTES, SCREEN_BYTES = 1280, 150_000, 300_000
README_WORKFLOW = "read_text"


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


def write_previews(frontend: Frontend, client: ComfyClient, workflow: Path) -> list[Path]:
    """Run a workflow and picture it; the one that the README shows is also pictured for docs/screens."""
    ui = read_workflow(workflow)
    frontend.load_workflow(ui, workflow.stem)
    prompt_id = frontend.run_and_wait(timeout_s=600)
    frontend.wait_for_pictures()
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
    """Write a picture as small as its kind must be: JPEG of at most 1280 pixels width, or PNG."""
    from PIL import Image

    picture: Image.Image = Image.open(io.BytesIO(png)).convert("RGB")
    packed = io.BytesIO()
    if target.suffix == ".jpg":
        if picture.width > PREVIEW_WIDTH:
            height = round(picture.height * PREVIEW_WIDTH / picture.width)
            picture = picture.resize((PREVIEW_WIDTH, height), Image.Resampling.LANCZOS)
        picture.save(packed, "JPEG", quality=80, optimize=True, progressive=True)
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


def make(previews: bool, comfy_dir: Path | None = None) -> None:
    with ComfyServer(comfy_dir=comfy_dir) as server, Frontend() as frontend:
        server.wait_ready()
        client = ComfyClient(server.url)
        for workflow in workflow_files():
            frontend.open(server.url)
            twin = twin_of(workflow)
            changed = write_if_changed(twin, api_twin(frontend, workflow))
            print(f"{twin.relative_to(ROOT).as_posix()}: {'written' if changed else 'unchanged'}", flush=True)
            for picture in write_previews(frontend, client, workflow) if previews else ():
                print(f"{picture.relative_to(ROOT).as_posix()}: {picture.stat().st_size} bytes", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py workflows", description="Regenerate the API twins.")
    parser.add_argument("--previews", action="store_true", help="also run each workflow and picture it")
    parser.add_argument("--comfy", type=Path, help="a ComfyUI checkout to use instead of the one in .comfy")
    args = parser.parse_args()
    try:
        make(args.previews, args.comfy)
    except (ComfyServerError, FrontendError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
