"""What the nodes declare, as JSON, without a server: `python devtools/comfy/node_schemas.py [COMFYUI]`.

The nodes need ComfyUI and torch to be imported, so `schemas()` runs this file in a process of its own and
keeps the answer under .comfy, under a name that changes with nodes/, core/ and the version of ComfyUI.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".comfy" / "schemas"
SOURCES = {".py", ".csv", ".toml", ".json"}


def schemas(comfy_dir: Path) -> list[dict[str, Any]]:
    """One dict per node: id, display_name, description, category, is_output_node, experimental, inputs,
    outputs.

    An input has id, type, optional, tooltip and options (None unless it is a combo); an output has name, type
    and tooltip. Raises RuntimeError with the end of the error when the nodes cannot be imported.
    """
    kept = STORE / f"{_fingerprint(comfy_dir)}.json"
    if kept.is_file():
        return list(json.loads(kept.read_text(encoding="utf-8")))
    command = [sys.executable, str(Path(__file__).resolve()), str(comfy_dir)]
    with tempfile.TemporaryDirectory() as nobody:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", env=_environment(nobody), timeout=300
        )
    if done.returncode:
        raise RuntimeError(f"The nodes could not be imported with {comfy_dir}:\n{done.stderr[-3000:]}")
    STORE.mkdir(parents=True, exist_ok=True)
    for stale in STORE.glob("*.json"):
        stale.unlink(missing_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_text(done.stdout, encoding="utf-8")
    fresh.replace(kept)
    return list(json.loads(done.stdout))


def _environment(home: str) -> dict[str, str]:
    """This one without settings and models of the person's own: the loader would list them."""
    mine = ("VRAMWISE_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_CACHE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), home)
    return {**kept, **homes, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}


def _fingerprint(comfy_dir: Path) -> str:
    digest = hashlib.sha256(f"{comfy_dir}\0{sys.version}".encode())
    files = [Path(__file__), comfy_dir / "comfyui_version.py"]
    for folder in ("nodes", "core"):
        files += sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in SOURCES and p.is_file())
    for path in files:
        digest.update(str(path).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _import_nodes(comfy_dir: Path) -> Any:
    """The pack's `nodes` package under the name vramwise_pack, in a ComfyUI told to stay on the CPU."""
    sys.path.insert(0, str(comfy_dir))
    importlib.import_module("comfy.cli_args").args.cpu = True
    spec = importlib.util.spec_from_file_location(
        "vramwise_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    pack = importlib.util.module_from_spec(spec)
    sys.modules["vramwise_pack"] = pack
    spec.loader.exec_module(pack)
    return importlib.import_module("vramwise_pack.nodes")


def _described(node: Any) -> dict[str, Any]:
    schema = node.GET_SCHEMA()
    return {
        "id": schema.node_id,
        "display_name": schema.display_name,
        "description": schema.description,
        "category": schema.category,
        "is_output_node": bool(schema.is_output_node),
        "experimental": bool(schema.is_experimental),
        "inputs": [
            {
                "id": entry.id,
                "type": entry.get_io_type(),
                "options": None
                if (found := getattr(entry, "options", None)) is None
                else list(map(str, found)),
                "optional": bool(entry.optional),
                "tooltip": entry.tooltip,
            }
            for entry in schema.inputs
        ],
        "outputs": [
            {"name": slot.display_name or slot.id, "type": slot.get_io_type(), "tooltip": slot.tooltip}
            for slot in schema.outputs
        ],
    }


def main(comfy_dir: Path) -> None:
    answer, sys.stdout = sys.stdout, sys.stderr  # whatever is printed while importing is not the answer
    described = [_described(node) for node in _import_nodes(comfy_dir).NODES]
    json.dump(described, answer, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".comfy" / "ComfyUI").resolve())
