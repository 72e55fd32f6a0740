"""The names of ComfyUI that nodes/ uses, and those of its frontend that web/ uses, found in the sources.

A name is a dotted path that begins with a module: ``comfy.model_management.load_models_gpu``. Each use says
where it is and how it is called. What is only asked for (``getattr`` with a default, an import within try,
an option that the schema adapter drops) is optional: its absence is no fault.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devtools.paths import ROOT

MODULES = (
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfyui_version",
    "comfyui_workflow_templates_core",
    "folder_paths",
    "server",
)
# What these values are, whose classes no import names.
INSTANCES = {"server.PromptServer.instance": "server.PromptServer"}
# What is reached through values that arrive: a CLIP from a link, an entry of the list of loaded models.
THROUGH_VALUES = {
    "comfy.model_management.LoadedModel.device": "nodes/bridge/memory.py",
    "comfy.model_management.LoadedModel.model": "nodes/bridge/memory.py",
    "comfy.model_patcher.ModelPatcher.load_device": "nodes/bridge/managed.py",
    "comfy.model_patcher.ModelPatcher.offload_device": "nodes/bridge/managed.py",
    "comfy.sd.CLIP.decode": "nodes/bridge/clip_engine.py",
    "comfy.sd.CLIP.generate": "nodes/bridge/clip_engine.py",
    "comfy.sd.CLIP.tokenize": "nodes/bridge/clip_engine.py",
}
# Of those, what the pack asks about before it is used.
ASKED_FOR = ("comfy.sd.CLIP.decode", "comfy.sd.CLIP.generate")
# Names that the adapter hands on: nodes/bridge/schema.py imports them, all others import them from it.
ADAPTER = "schema"


@dataclass
class Call:
    """How something is called: the count of values by place, and the names of the others. ``adapted``: by
    the schema adapter, which drops what is not known.
    """

    where: str
    places: int
    names: tuple[str, ...]
    adapted: bool = False


@dataclass
class Use:
    """One name, with the places of its use. ``ours``: what methods of that name in classes of ours take."""

    name: str
    where: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    ours: list[ast.arguments] = field(default_factory=list)
    optional: bool = True


def python_uses(root: Path = ROOT) -> dict[str, Use]:
    """Every name of ComfyUI in ``__init__.py`` and nodes/."""
    found = {name: Use(name, [where], optional=name in ASKED_FOR) for name, where in THROUGH_VALUES.items()}
    adapter = _imports(ast.parse((root / "nodes/bridge/schema.py").read_text(encoding="utf-8")))
    for file in sorted([root / "__init__.py", *(root / "nodes").rglob("*.py")]):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        _Reader(file.relative_to(root).as_posix(), adapter, found).read(tree)
    return dict(sorted(found.items()))


def _imports(tree: ast.AST) -> dict[str, str]:
    """Local name -> dotted name, of ComfyUI's modules. Of a try the first import counts."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                if one.name.split(".")[0] in MODULES:
                    names.setdefault(
                        one.asname or one.name.split(".")[0],
                        one.name if one.asname else one.name.split(".")[0],
                    )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            for one in node.names if module.split(".")[0] in MODULES else ():
                names.setdefault(one.asname or one.name, f"{module}.{one.name}")
    return names


class _Reader(ast.NodeVisitor):
    def __init__(self, file: str, adapter: dict[str, str], found: dict[str, Use]) -> None:
        self.file, self.adapter, self.found = file, adapter, found
        self.names: dict[str, str] = {}
        self.tried = 0
        self.asked: set[str] = set()  # by hasattr

    def read(self, tree: ast.Module) -> None:
        self.names = _imports(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level and (node.module or "").endswith(ADAPTER):
                self.names |= {
                    one.asname or one.name: self.adapter[one.name]
                    for one in node.names
                    if one.name in self.adapter
                }
        self.visit(tree)

    # what is looked for

    def _dotted(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            before = self._dotted(node.value)
            return None if before is None else f"{INSTANCES.get(before, before)}.{node.attr}"
        return None

    def _note(self, name: str, line: int, optional: bool = False) -> Use:
        use = self.found.setdefault(name, Use(name))
        where = f"{self.file}:{line}"
        if where not in use.where:
            use.where.append(where)
        use.optional = use.optional and (optional or self.tried > 0 or name in self.asked)
        return use

    # where it stands

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            if one.name.split(".")[0] in MODULES:
                self._note(one.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module or node.module.split(".")[0] not in MODULES:
            return
        for one in node.names:
            self._note(f"{node.module}.{one.name}", node.lineno)

    def visit_Try(self, node: ast.Try) -> None:
        caught = {getattr(kind, "id", "") for one in node.handlers for kind in _kinds(one.type)}
        missing = bool(caught & {"ImportError", "AttributeError", "ModuleNotFoundError"})
        self.tried += missing
        for part in node.body:
            self.visit(part)
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)
        self.tried -= missing

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        source = self._given(node.value)
        if source is not None and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.names[node.targets[0].id] = INSTANCES.get(source, source)

    def _given(self, value: ast.AST) -> str | None:
        """The dotted name that a value is: an attribute, or getattr(NAME, "attribute", default)."""
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "getattr":
            first, second = value.args[:2]
            before = self._dotted(first)
            if before is not None and isinstance(second, ast.Constant) and "vramwise" not in second.value:
                return f"{before}.{second.value}"
            return None
        return self._dotted(value) if isinstance(value, ast.Attribute | ast.Name) else None

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self._dotted(node)
        if name is None:
            self.generic_visit(node)
        elif name not in INSTANCES.values() and not node.attr.startswith("vramwise"):
            self._note(name, node.lineno)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            name = self._dotted(base)
            if name is None:
                continue
            self._note(name, node.lineno)
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    # a method of ours that this version does not call costs nothing
                    self._note(f"{name}.{method.name}", method.lineno, optional=True).ours.append(method.args)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            before, named = self._dotted(node.args[0]), node.args[1]
            if before is not None and isinstance(named, ast.Constant):
                self.asked.add(f"{before}.{named.value}")
        given = self._given(node)
        if given is not None:
            self._note(given, node.lineno, optional=len(node.args) == 3)
            self.visit(node.args[0])
            return
        called, values = node.func, node.args
        adapted = isinstance(called, ast.Name) and called.id == "field" and bool(values)
        if adapted:
            called, values = values[0], values[1:]
        if isinstance(called, ast.Name) and called.id == "schema":
            name: str | None = f"{self.adapter['io']}.Schema"
            adapted = True
        else:
            name = self._dotted(called)
        if name is not None:
            use = self._note(name, node.lineno)
            spread = any(isinstance(value, ast.Starred) for value in values)
            names = tuple(one.arg for one in node.keywords if one.arg is not None)
            use.calls.append(Call(f"{self.file}:{node.lineno}", 0 if spread else len(values), names, adapted))
        else:
            self.visit(called)
        for part in (*values, *(one.value for one in node.keywords)):
            self.visit(part)


def _kinds(caught: ast.expr | None) -> Iterator[ast.expr]:
    if isinstance(caught, ast.Tuple):
        yield from caught.elts
    elif caught is not None:
        yield caught


# What stands behind a dot of app, api, a node or a graph is the frontend's, and keeps its name in its
# compressed files.
_MEMBER = re.compile(r"\b(app|api)((?:\??\.[A-Za-z_$][\w$]*)+)")
_OF_NODES = re.compile(r"\b(?:node|graph|twice)\??\.(?!js\b)([A-Za-z_$][\w$]*)|\bprecede\(node, '(\w+)'")
_SHIM = re.compile(r"from '\.\./\.\./(scripts/\w+\.js)'")
_GLOBAL = re.compile(r"\bcomfyAPI((?:\?\.\w+)+)")
_COMMAND = re.compile(r"execute\(`?'?([A-Z]\w+(?:\.\w+)+)")
_SETTING = re.compile(r"setting\('(Comfy\.[\w.]+)'\)")
HOOKS = (
    "settings",
    "commands",
    "menuCommands",
    "addCustomNodeDefs",
    "setup",
    "nodeCreated",
    "afterConfigureGraph",
    "onNodeOutputsUpdated",
)


def frontend_uses(root: Path = ROOT) -> dict[str, list[str]]:
    """{name: places} of the frontend's names in web/*.js: members of app and api, of nodes and graphs, shims,
    hooks of an extension, settings and commands.
    """
    found: dict[str, list[str]] = {}

    def note(name: str, file: Path, line: int) -> None:
        found.setdefault(name, []).append(f"web/{file.name}:{line}")

    for file in sorted((root / "web").glob("*.js")):
        for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for shim in _SHIM.finditer(text):
                note(shim[1], file, line)
            for member in _MEMBER.finditer(text):
                if not text[: member.end()].endswith(".js"):
                    note(member[1] + member[2].replace("?", ""), file, line)
            for member in _OF_NODES.finditer(text):
                note(f"node.{member[1] or member[2]}", file, line)
            for member in _GLOBAL.finditer(text):
                note("comfyAPI" + member[1].replace("?", ""), file, line)
            for member in (*_COMMAND.finditer(text), *_SETTING.finditer(text)):
                note(member[1].rstrip("."), file, line)
            hook = re.match(r"  (?:async )?(\w+)(?:\(|:|,)", text)
            if file.name == "vramwise.js" and hook and hook[1] in HOOKS:
                note(f"extension.{hook[1]}", file, line)
    return dict(sorted(found.items()))
