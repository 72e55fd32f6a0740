"""``python -m devtools.comfy_names DIR...``: which versions have each name of ComfyUI that the pack uses.

A DIR is a ComfyUI checkout or a frontend (a folder with index.html, or one that holds the package's static/).
Exit code 1: one of them lacks a name that the pack cannot do without, or does not take one of its calls.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devtools.comfy_names.tree import Checkout
from devtools.comfy_names.uses import Use, frontend_uses, python_uses
from devtools.processes import Stop, say

OLDEST = (0, 3, 75)  # the oldest ComfyUI that the pack promises to run in


@dataclass
class Row:
    """One name: versions that have it, versions that lack it, and what was refused, in words."""

    name: str
    optional: bool
    having: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def look_at_checkouts(checkouts: Iterable[Checkout], uses: Mapping[str, Use]) -> list[Row]:
    """One Row a name of ComfyUI. A class that our own derives from is asked for the methods that are ours."""
    rows = {name: Row(name, use.optional) for name, use in uses.items()}
    for checkout in sorted(checkouts, key=lambda one: number(one.version)):
        for name, use in uses.items():
            row = rows[name]
            if checkout.find(name) is None:
                row.lacking.append(checkout.version)
                continue
            row.having.append(checkout.version)
            for call in use.calls:
                if why := checkout.refuses(name, call):
                    row.refused.append(f"{checkout.version}: {name} {why} ({call.where})")
            for ours in use.ours:
                if why := checkout.outgrows(name, ours):
                    row.refused.append(f"{checkout.version}: {name} {why}")
    return list(rows.values())


class Frontend:
    """The files of one frontend: every word that its scripts hold."""

    def __init__(self, folder: Path) -> None:
        static = next(iter(folder.rglob("static/index.html")), folder / "index.html").parent
        self.static, self.folder = static, folder
        self.words: set[str] = set()
        for file in sorted(static.rglob("*.js")):
            self.words |= set(
                re.findall(r"[A-Za-z_$][\w$.]*", file.read_text(encoding="utf-8", errors="replace"))
            )
        self.words |= {part for word in list(self.words) for part in word.split(".")}

    @property
    def version(self) -> str:
        told = self.static / "version.txt"
        if told.is_file():
            return told.read_text(encoding="utf-8").strip()
        for info in (
            *self.folder.glob("*.dist-info"),
            *self.static.parent.parent.glob("comfyui_frontend_package-*.dist-info"),
        ):
            return info.name.removesuffix(".dist-info").split("-")[1]
        return self.folder.name

    def has(self, name: str) -> bool:
        if name.endswith(".js"):
            return (self.static / name).is_file()
        if name.startswith(("Comfy.", "Workspace.")):
            return name in self.words or name.rpartition(".")[0] in self.words
        return all(part in self.words for part in name.split(".")[1:])


def look_at_frontends(frontends: Iterable[Frontend], uses: Mapping[str, list[str]]) -> list[Row]:
    rows = {name: Row(name, False) for name in uses}
    for frontend in sorted(frontends, key=lambda one: number(one.version)):
        for name, row in rows.items():
            (row.having if frontend.has(name) else row.lacking).append(frontend.version)
    return list(rows.values())


def table(rows: Iterable[Row]) -> str:
    """Markdown: the name, whether the pack does without, the oldest and the newest version that has it."""
    lines = ["| name | oldest | newest | without it |", "|---|---|---|---|"]
    for row in rows:
        oldest, newest = (row.having[0], row.having[-1]) if row.having else ("-", "-")
        lines.append(f"| `{row.name}` | {oldest} | {newest} | {'goes on' if row.optional else ''} |")
    return "\n".join(lines)


def faults(rows: Iterable[Row], oldest: tuple[int, ...] = OLDEST) -> list[str]:
    """What would break: a name that is needed and absent, a call that is refused, since ``oldest``."""
    out = []
    for row in rows:
        absent = [version for version in row.lacking if number(version) >= oldest]
        if absent and not row.optional:
            out.append(f"{row.name} is not in {', '.join(absent)}")
        out += [said for said in row.refused if number(said.split(":")[0]) >= oldest]
    return out


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py comfy-names", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="DIR", type=Path)
    checkouts, frontends = [], []
    for folder in parser.parse_args().folders:
        if (folder / "folder_paths.py").is_file():
            checkouts.append(Checkout(folder.resolve()))
        elif (folder / "index.html").is_file() or any(folder.rglob("static/index.html")):
            frontends.append(Frontend(folder.resolve()))
        else:
            raise Stop(f"{folder} is neither a ComfyUI (no folder_paths.py) nor a frontend (no index.html).")
    wrong = []
    if checkouts:
        rows = look_at_checkouts(checkouts, python_uses())
        say(table(rows))
        wrong += faults(rows)
    if frontends:
        shown = look_at_frontends(frontends, frontend_uses())
        say("\n" + table(shown))
        wrong += faults(shown, (0,))
    for sentence in wrong:
        say(f"- {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Stop as problem:
        print(f"\n{problem}", file=sys.stderr)
        sys.exit(1)
