"""What `dev.py demo` and `dev.py comfy` run with .venv's Python."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import urllib.error
from pathlib import Path
from types import FrameType
from typing import Any

from devtools.comfy.client import ComfyClient, ComfyClientError, Prompt
from devtools.comfy.server import ROOT, ComfyServer, ComfyServerError, pack_import_problem

OCR_NODE = "VramwiseOCR"
WORKFLOW = ROOT / "workflows" / "api" / "read_text.json"


class DemoError(Exception):
    """Ends the demo with exit code 1; the message is what the person reads."""


def say(text: str) -> None:
    print(text, flush=True)


def upstream_slot(prompt: Prompt, node_id: str, target: str) -> int | None:
    """The output slot of `target` that `node_id` gets its input from, directly or through other nodes."""
    for value in prompt[node_id]["inputs"].values():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            source, slot = value
            if source == target:
                return int(slot)
            deeper = upstream_slot(prompt, source, target) if source in prompt else None
            if deeper is not None:
                return deeper
    return None


def pictures_by_type(
    prompt: Prompt, outputs: dict[str, dict[str, list[Any]]], ocr_id: str, slot_types: list[str]
) -> dict[str, list[dict[str, str]]]:
    """The images shown by preview nodes, under the type (IMAGE, MASK) of the OCR output they come from."""
    found: dict[str, list[dict[str, str]]] = {}
    for node_id, shown in outputs.items():
        slot = upstream_slot(prompt, node_id, ocr_id) if node_id in prompt else None
        if slot is not None and shown.get("images"):
            found.setdefault(slot_types[slot], shown["images"])
    return found


def require_pack(server: ComfyServer) -> None:
    if not server.has_node(OCR_NODE):
        problem = pack_import_problem(server.log) or server.tail()
        raise DemoError(
            f"ComfyUI started, but this pack did not load: there is no {OCR_NODE} node. "
            f"The log says:\n{problem}"
        )


def report_wait(server: ComfyServer) -> None:
    told = 0

    def progress(waited: float) -> None:
        nonlocal told
        if waited >= told + 10:
            told = int(waited)
            say(f"  still starting, {told} s")

    server.wait_ready(progress=progress)


def demo(args: argparse.Namespace) -> None:
    if not WORKFLOW.is_file():
        raise DemoError(f"{WORKFLOW} is missing, so there is nothing to run. Restore it with git.")
    prompt: Prompt = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    ocr_id = next((node_id for node_id, node in prompt.items() if node["class_type"] == OCR_NODE), None)
    if ocr_id is None:
        raise DemoError(f"{WORKFLOW} has no {OCR_NODE} node, so there is nothing to read with.")
    if args.image and not args.image.is_file():
        raise DemoError(
            f"There is no picture at {args.image}. Give the path of an existing file with --image."
        )

    with ComfyServer(comfy_dir=args.comfy) as server:
        say(f"Starting ComfyUI from {server.comfy_dir} on {server.url} (CPU).")
        if args.comfy:
            say(
                f"  this pack reaches it by a {server.link_kind} in a base folder of its own; "
                "the checkout is only read"
            )
        report_wait(server)
        require_pack(server)
        client = ComfyClient(server.url)
        if args.image:
            stored = client.upload(args.image, name=f"demo{args.image.suffix.lower()}")
            for node in prompt.values():
                if node["class_type"] == "LoadImage":
                    node["inputs"]["image"] = stored
        slot_types = client.object_info(OCR_NODE)[OCR_NODE]["output"]

        def on_event(name: str, data: dict[str, Any]) -> None:
            if name == "executing" and data.get("node") in prompt:
                node = prompt[data["node"]]
                say(f"  {(node.get('_meta') or {}).get('title') or node['class_type']}")

        say(f"Running {WORKFLOW.relative_to(ROOT).as_posix()} on {args.image or 'the sample picture'}:")
        result = client.run(prompt, timeout=600, on_event=on_event)
        if not result.ok:
            raise DemoError(result.error_text or f"The run ended with status {result.status}.")
        shown = result.outputs.get(ocr_id) or {}
        pages, reports = shown.get("text", []), shown.get("ocr", [])

        say("")
        say("\n\n".join(pages) if any(page.strip() for page in pages) else "(no text was found)")
        say("")
        regions = sum(len(report["regions"]) for report in reports)
        seconds = sum(report["seconds"] for report in reports)
        say(f"{regions} regions, {seconds:.2f} s reading, {result.seconds:.2f} s for the whole run.")
        args.out.mkdir(parents=True, exist_ok=True)
        found = pictures_by_type(prompt, result.outputs, ocr_id, slot_types)
        for what, kind in (("overlay", "IMAGE"), ("mask", "MASK")):
            if kind not in found:
                raise DemoError(f"The run finished, but {WORKFLOW.name} shows no {what} picture to save.")
            target = args.out / f"vramwise_demo_{what}.png"
            target.write_bytes(client.view(found[kind][0]))
            say(f"Wrote {target}")


def serve(args: argparse.Namespace, comfy_args: list[str]) -> None:
    with ComfyServer(
        comfy_dir=args.comfy,
        base_dir=args.base,
        extra_args=comfy_args,
        cpu=not args.gpu,
        port=args.port,
        echo=True,
    ) as server:
        say(
            f"This pack reaches {server.comfy_dir} by a {server.link_kind} "
            f"in {server.base_dir / 'custom_nodes'}."
        )
        server.wait_ready()
        if not server.has_node(OCR_NODE):
            say(f"This pack did not load: there is no {OCR_NODE} node. The reason is in the log above.")
        say(f"\nOpen {server.url} in a browser. Ctrl-C stops the server.\n")
        assert server.process is not None
        code = server.process.wait()
        raise DemoError(f"ComfyUI ended by itself with exit code {code}.")


def interrupted(number: int, frame: FrameType | None) -> None:
    # once: a second Ctrl-C must not break off the tidying up
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="devtools.comfy.demo")
    verbs = parser.add_subparsers(dest="verb", required=True)
    demo_verb = verbs.add_parser("demo")
    demo_verb.add_argument("--image", type=Path)
    demo_verb.add_argument("--out", type=Path, required=True)
    demo_verb.add_argument("--comfy", type=Path)
    comfy_verb = verbs.add_parser("comfy")
    comfy_verb.add_argument("--comfy", type=Path)
    comfy_verb.add_argument("--base", type=Path, required=True)
    comfy_verb.add_argument("--port", type=int)
    comfy_verb.add_argument("--gpu", action="store_true")
    args, rest = parser.parse_known_args()

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a cp1252 console cannot show every script
    try:
        if args.verb == "demo":
            if rest:
                parser.error(f"demo does not take {' '.join(rest)}")
            demo(args)
        else:
            serve(args, rest)
    except (DemoError, ComfyServerError, ComfyClientError) as problem:
        print(f"\n{problem}", file=sys.stderr, flush=True)
        return 1
    except urllib.error.URLError as problem:
        print(f"\nThe server stopped answering: {problem.reason}.", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr, flush=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
