"""`python dev.py new-node NAME`: a node that does nothing yet, in the nine files that a node has.

It is marked experimental, so that its inputs may still change. What has to follow when they stay (its
signature in tests/comfy/object_info.json, search words) the tests say. Standard library only.
"""

from __future__ import annotations

import json
import keyword
import re
from pathlib import Path
from string import Template

from devtools.processes import Stop, say

TEMPLATES = Path(__file__).resolve().parent / "templates"


def names_of(given: str) -> dict[str, str]:
    """The spellings of a node's name: ``rotate_regions``, ``Rotate Regions`` or ``RotateRegions`` give the
    same. Raises Stop where a module cannot have it.
    """
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", given.removeprefix("Vramwise"))
    words = re.split(r"[\s_-]+", parted.strip())
    module = "_".join(words).lower()
    if not module.isascii() or not module.isidentifier() or keyword.iskeyword(module):
        raise Stop(
            f'A node cannot be called "{given}". Give a few English words, for example rotate_regions.'
        )
    title = " ".join(word[0].upper() + word[1:] for word in words)
    cls = title.replace(" ", "")
    return {"module": module, "title": title, "cls": cls, "node_id": f"Vramwise{cls}"}


def filled(template: str, names: dict[str, str]) -> str:
    return Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(names)


def registered(source: str, module: str, cls: str) -> str:
    """nodes/__init__.py with one more import, sorted in, and one more node at the end of NODES."""
    lines = source.splitlines()
    own = [number for number, line in enumerate(lines) if re.match(r"from \.[a-z]\w* import ", line)]
    after = [number for number in own if lines[number].split()[1] < f".{module}"]
    lines.insert(after[-1] + 1 if after else own[0], f"from .{module} import {cls}")
    lines.insert(lines.index(")", lines.index("NODES = (")), f"    {cls},")
    return "\n".join(lines) + "\n"


def write_node(given: str, root: Path) -> list[Path]:
    """Write the files under ``root`` and say which; returns them. Raises Stop where the node is there."""
    names = names_of(given)
    module, node_id = names["module"], names["node_id"]
    words = json.loads(filled("words.json", names))
    texts = {
        root / "nodes" / f"{module}.py": filled("node.txt", names),
        root / "tests" / "comfy" / f"test_{module}.py": filled("test.txt", names),
    }
    for language in words:
        page = f"{node_id}.md" if language == "en" else f"{node_id}/{language}.md"
        texts[root / "web" / "docs" / page] = filled(f"help.{language}.md", names)
    for path in texts:
        if path.exists():
            raise Stop(f"{path.relative_to(root)} is there already. Choose another name for the new node.")
    init = root / "nodes" / "__init__.py"
    texts[init] = registered(init.read_text(encoding="utf-8"), module, names["cls"])
    for language, spoken in words.items():
        file = root / "locales" / language / "nodeDefs.json"
        known = json.loads(file.read_text(encoding="utf-8"))
        texts[file] = json.dumps(known | {node_id: spoken}, ensure_ascii=False, indent=2) + "\n"
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        say(str(path.relative_to(root)))
    return list(texts)
