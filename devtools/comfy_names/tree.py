"""A ComfyUI checkout read without running it: whether it has a dotted name, and what its calls may give."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

from devtools.comfy_names.uses import Call

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
# What io.Custom(...) and the decorator comfytype give a class that has none of its own.
GIVEN = {"Input": "Input", "Output": "Output"}


@dataclass(frozen=True)
class Found:
    """Where a name leads: its file, and its definition, None for a variable or a module."""

    file: Path
    node: Definition | None = None
    within: tuple[ast.ClassDef, ...] = ()


class Checkout:
    """One ComfyUI."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @functools.cached_property
    def version(self) -> str:
        for file in ("comfyui_version.py", "pyproject.toml"):
            path = self.folder / file
            said = (
                re.search(r'version\w*\s*=\s*"([\d.]+)', path.read_text(encoding="utf-8"))
                if path.is_file()
                else None
            )
            if said:
                return said[1]
        return self.folder.name.removeprefix("v")

    def find(self, name: str) -> Found | None:
        """What ``name`` is here, None where there is no such thing."""
        parts = name.split(".")
        for count in range(len(parts), 0, -1):
            file = self._file(parts[:count])
            if file is not None:
                return self._within(file, parts[count:], set())
        return None

    def refuses(self, name: str, call: Call) -> str | None:
        """Why what stands under ``name`` does not take ``call``; None where it does, or cannot be told."""
        found = self.find(name)
        if found is None or found.node is None:
            return None
        function: Definition | None = found.node
        skip = 0
        if isinstance(function, ast.ClassDef):
            if fields := _dataclass_fields(function):
                lacking = [] if call.adapted else [one for one in call.names if one not in fields]
                return f"takes no {', '.join(lacking)}" if lacking else None
            function, skip = self._method(found, "__init__"), 1
        elif found.within and not any(
            getattr(one, "id", "") == "staticmethod" for one in function.decorator_list
        ):
            skip = 1
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
        return _mismatch(function.args, call, skip)

    def outgrows(self, name: str, ours: ast.arguments) -> str | None:
        """Why our method cannot stand in for ``name`` here: core may call it with what ours does not take."""
        found = self.find(name)
        if found is None or not isinstance(found.node, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
        theirs = found.node.args
        known = {one.arg for one in (*ours.posonlyargs, *ours.args, *ours.kwonlyargs)}
        every = [one.arg for one in (*theirs.args, *theirs.kwonlyargs)][1:]
        if ours.kwarg is None and (more := [one for one in every if one not in known]):
            return f"may be called with {', '.join(more)}, which ours does not take"
        return None

    # finding

    def _file(self, parts: list[str]) -> Path | None:
        place = self.folder.joinpath(*parts)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
        return place if place.is_dir() and len(parts) == 1 else None

    @functools.cache  # noqa: B019  one Checkout lives as long as the program
    def _parsed(self, file: Path) -> ast.Module:
        return ast.parse(file.read_text(encoding="utf-8", errors="replace"))

    def _within(self, file: Path, parts: list[str], seen: set[tuple[Path, str]]) -> Found | None:
        if not parts:
            return Found(file)
        if file.is_dir() or (file, parts[0]) in seen:
            return None
        seen = {*seen, (file, parts[0])}
        for node in _statements(self._parsed(file).body):
            found = self._defined(file, node, parts, seen)
            if found is not None:
                return found
        return None

    def _defined(
        self, file: Path, node: ast.stmt, parts: list[str], seen: set[tuple[Path, str]]
    ) -> Found | None:
        name = parts[0]
        if isinstance(node, Definition) and node.name == name:
            return self._member(file, node, parts[1:], ())
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                if one.name == "*" or (one.asname or one.name) == name:
                    rest = parts if one.name == "*" else [one.name, *parts[1:]]
                    found = self._imported(file, node, rest, seen)
                    if found is not None:
                        return found
        if isinstance(node, ast.Import):
            for one in node.names:
                if (one.asname or one.name.split(".")[0]) == name:
                    target = one.name.split(".") if one.asname else [name]
                    return self.find(".".join([*target, *parts[1:]])) or (
                        Found(file) if len(parts) == 1 else None
                    )
        if name in _assigned(node):
            value = getattr(node, "value", None)
            if len(parts) > 1 and isinstance(value, ast.Name) and value.id != name:
                return self._within(file, [value.id, *parts[1:]], seen)
            return Found(file)
        return None

    def _imported(
        self, file: Path, node: ast.ImportFrom, rest: list[str], seen: set[tuple[Path, str]]
    ) -> Found | None:
        base = [] if node.level else (node.module or "").split(".")
        if node.level:
            package = file.parent
            for _ in range(node.level - 1):
                package = package.parent
            base = [
                *package.relative_to(self.folder).parts,
                *((node.module or "").split(".") if node.module else []),
            ]
        deeper = self._file([*base, rest[0]])
        if deeper is not None:
            return self._within(deeper, rest[1:], seen)
        module = self._file(base)
        if module is None:
            # another package's, which is not in this folder
            return Found(file) if not node.level and rest and not (self.folder / base[0]).exists() else None
        return self._within(module, rest, seen)

    def _member(
        self, file: Path, node: Definition, parts: list[str], within: tuple[ast.ClassDef, ...]
    ) -> Found | None:
        if not parts:
            return Found(file, node, within)
        if not isinstance(node, ast.ClassDef):
            return Found(file) if node.name == "Custom" and parts[0] in GIVEN else None
        for inner in _statements(node.body):
            if isinstance(inner, Definition) and inner.name == parts[0]:
                return self._member(file, inner, parts[1:], (*within, node))
            if parts[0] in _assigned(inner):
                return Found(file)
        if parts[0] in _set_on_self(node):
            return Found(file)
        for base in node.bases:
            dotted = _dotted(base)
            # a class that is named like its base: the one outside
            found = (
                self._within(file, [*dotted, *parts], {(file, "")})
                if dotted and dotted != [node.name]
                else None
            )
            if found is not None:
                return found
        return None

    def _method(self, found: Found, name: str) -> Definition | None:
        assert isinstance(found.node, ast.ClassDef)
        inside = self._member(found.file, found.node, [name], found.within)
        return inside.node if inside else None


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """``body`` with what stands under if, try and with; the last definition of a name first."""
    out: list[ast.stmt] = []
    for node in body:
        out.append(node)
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                out.extend(_statements(getattr(node, part, [])))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                out.extend(_statements(handler.body))
    return out


def _assigned(node: ast.stmt) -> list[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


@functools.cache
def _set_on_self(node: ast.ClassDef) -> frozenset[str]:
    """What methods put on ``self``, and on the class by its name."""
    owners = {"self", "cls", node.name}
    return frozenset(
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id in owners
    )


def _dotted(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return [*before, node.attr] if before else []
    return []


def _dataclass_fields(node: ast.ClassDef) -> list[str]:
    if not any("dataclass" in ast.unparse(one) for one in node.decorator_list):
        return []
    return [
        one.target.id
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    ]


def _mismatch(args: ast.arguments, call: Call, skip: int) -> str | None:
    places = [one.arg for one in (*args.posonlyargs, *args.args)][skip:]
    named = {*places, *(one.arg for one in args.kwonlyargs)}
    if args.kwarg is None and not call.adapted:
        lacking = [one for one in call.names if one not in named]
        if lacking:
            return f"takes no {', '.join(lacking)}"
    if args.vararg is None and call.places > len(places):
        return f"takes {len(places)} values, not {call.places}"
    return None
