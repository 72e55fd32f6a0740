"""ComfyUI's own workflow templates as a catalogue: which files each local one loads, and how large they are.

Every loader node of a template names its files in ``properties.models``; sizes stand in its notes. The size
and memory figures of the index itself are not used: they were file sizes at best and were withdrawn as never
measured (Comfy-Org/workflow_templates pull request #1165).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..units import GIB, KIB, MIB
from .csv_rows import table

# (folder of ComfyUI's models, file name) -> the file, or None where it is not on disk.
Finder = Callable[[str, str], Path | None]
# template id -> its workflow, or None where it is not installed.
Reader = Callable[[str], "Mapping[str, Any] | None"]

# Folders of ComfyUI's models in which diffusion models lie.
MODEL_FOLDERS = ("diffusion_models", "checkpoints", "unet")
_UNITS = {"KB": KIB, "MB": MIB, "GB": GIB}  # the notes write GB and mean GiB
# The limits keep a note full of opening brackets from taking the square of its length.
_NOTE = re.compile(
    r"\[([^\[\]]{1,300})\]\([^()\[\]]{0,1000}\)\s{0,9}\(\s{0,9}([\d.]{1,20})\s{0,9}([KMG]B)\s{0,9}\)"
)
# LiteGraph's modes of a node that does not run.
_SILENT = (2, 4)


@dataclass(frozen=True)
class TemplateFile:
    """A file that a loader node names.

    ``directory`` is a folder of ComfyUI's models ("diffusion_models", "loras"). ``bytes`` is None where no
    size is known; ``size_from`` is "disk", "note" (rounded), "catalog" or empty. ``optional`` files belong to
    nodes that are switched off as the template comes. Files of one ``loader`` are loaded together. ``sha256``
    is what the template says of it, empty where it says none; ``path`` is the file where it is on disk.
    """

    name: str
    directory: str
    url: str
    bytes: int | None
    size_from: str
    on_disk: bool
    optional: bool
    loader: int
    sha256: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Template:
    """A template that runs on this machine. ``kind`` is image, video, audio, 3d or llm."""

    id: str
    title: str
    kind: str
    category: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    files: tuple[TemplateFile, ...]

    @property
    def needed(self) -> tuple[TemplateFile, ...]:
        """The files without which it does not run as it comes."""
        return tuple(file for file in self.files if not file.optional)

    @property
    def missing(self) -> tuple[TemplateFile, ...]:
        """The needed files that are not on disk."""
        return tuple(file for file in self.needed if not file.on_disk)

    @property
    def installed(self) -> bool:
        """True where it has files and all that it needs are on disk."""
        return bool(self.needed) and not self.missing

    @property
    def file_bytes(self) -> int | None:
        """The sum of the needed files, each once; None where a size is not known."""
        sizes = {(file.directory, file.name): file.bytes for file in self.needed}
        return None if None in sizes.values() else sum(size or 0 for size in sizes.values())


def templates_of_folder(folder: Path, find: Finder | None = None) -> tuple[Template, ...]:
    """The local templates of a folder with an index.json; none where there is no index."""
    index = _read_json(folder / "index.json")
    return local_templates(index or [], lambda name: _read_json(folder / f"{name}.json"), find)


def local_templates(
    index: Sequence[Mapping[str, Any]], read: Reader, find: Finder | None = None
) -> tuple[Template, ...]:
    """The templates of ``index`` (ComfyUI's index.json) that do not call a paid API, in its order.

    A template that stands in two categories is given once; one whose workflow is not installed is left out.
    """
    found: dict[str, Template] = {}
    for category in index:
        for entry in category.get("templates", ()):
            if entry["name"] in found or not _is_local(entry):
                continue
            workflow = read(entry["name"])
            if workflow is not None:
                found[entry["name"]] = _template(category, entry, workflow, find)
    return tuple(found.values())


def _is_local(entry: Mapping[str, Any]) -> bool:
    return "API" not in entry.get("tags", ()) and entry.get("openSource") is not False


def _template(
    category: Mapping[str, Any], entry: Mapping[str, Any], workflow: Mapping[str, Any], find: Finder | None
) -> Template:
    return Template(
        id=entry["name"],
        title=entry.get("title") or entry["name"],
        kind=category.get("type") or entry.get("mediaType", ""),
        category=category.get("title", ""),
        tags=tuple(entry.get("tags", ())),
        models=tuple(entry.get("models", ())),
        files=_files(workflow, find or (lambda directory, name: None)),
    )


def _files(workflow: Mapping[str, Any], find: Finder) -> tuple[TemplateFile, ...]:
    noted = dict(_noted_sizes(workflow))
    found: dict[tuple[str, str], TemplateFile] = {}
    for loader, (node, runs) in enumerate(_nodes(workflow)):
        for model in (node.get("properties") or {}).get("models") or ():
            name, directory = Path(model["name"]).name, model.get("directory", "")
            known = found.get((directory, name))
            if known is not None and not (known.optional and runs):
                continue
            file = find(directory, model["name"])
            size, size_from = _size(name, file, noted)
            digest = model.get("hash") if str(model.get("hash_type", "")).lower() == "sha256" else ""
            found[directory, name] = TemplateFile(
                name,
                directory,
                model.get("url", ""),
                size,
                size_from,
                file is not None,
                not runs,
                loader,
                str(digest or ""),
                file,
            )
    return tuple(found.values())


def _size(name: str, file: Path | None, noted: Mapping[str, int]) -> tuple[int | None, str]:
    if file is not None:
        try:
            return file.stat().st_size, "disk"
        except OSError:
            pass  # gone since it was found
    if name in noted:
        return noted[name], "note"
    known = _known_sizes().get(name)
    return known, "catalog" if known is not None else ""


def _nodes(workflow: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Every node, those inside subgraphs too, and whether it runs as the template comes."""
    subgraphs = {graph["id"]: graph for graph in (workflow.get("definitions") or {}).get("subgraphs", ())}
    running: set[str] = set()
    waiting = [(workflow, True)]
    seen: set[tuple[str, bool]] = set()
    nodes: dict[int, tuple[Mapping[str, Any], bool]] = {}
    while waiting:
        graph, runs_here = waiting.pop(0)
        for node in graph.get("nodes", ()):
            runs = runs_here and node.get("mode", 0) not in _SILENT
            nodes[id(node)] = (node, runs or nodes.get(id(node), (node, False))[1])
            kind = node.get("type", "")
            if kind in subgraphs and (kind, runs) not in seen and kind not in running:
                seen.add((kind, runs))
                running |= {kind} if runs else set()
                waiting.append((subgraphs[kind], runs))
    yield from nodes.values()


def _noted_sizes(workflow: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for node, _ in _nodes(workflow):
        if node.get("type") in ("MarkdownNote", "Note"):
            values = node.get("widgets_values") or ()
            for text in values if isinstance(values, list) else ():
                for name, amount, unit in _NOTE.findall(str(text)):
                    yield name.strip(), round(float(amount) * _UNITS[unit])


@functools.cache
def _known_sizes() -> Mapping[str, int]:
    return dict(table("diffusion/template_files.csv", lambda row: (row["file"], int(row["bytes"]))))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
