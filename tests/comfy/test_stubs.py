"""What devtools/stubs says of ComfyUI, for mypy, is in the ComfyUI that is here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from devtools.comfy.server import default_comfy_dir

STUBS = Path(__file__).resolve().parents[2] / "devtools" / "stubs"
NEWER = {  # than ComfyUI 0.3.75
    "comfy.memory_management",
    "comfy_execution.cache_provider",
    "comfy_execution.jobs",
    "folder_paths.get_system_user_directory",
}
# Classes whose attributes are not written in their own body.
OPEN = {
    "comfy.model_management.LoadedModel",
    "comfy.model_patcher.ModelPatcher",
    "comfy_api.latest._io.ComfyNode",
    "comfy_execution.progress.ProgressRegistry",
    "server.PromptServer",
}


def defined(body: list[ast.stmt], within: str = "") -> set[str]:
    """Dotted names of functions, classes, their methods, and variables; none with an underscore first."""
    found: set[str] = set()
    for node in body:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.If | ast.Try):
            found |= defined(node.body, within)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found |= defined(node.body, f"{within}{node.name}.")
        found |= {within + name for name in names if not name.startswith("_")}
    return found


def names_in(file: Path) -> set[str]:
    return defined(ast.parse(file.read_text(encoding="utf-8")).body)


def handed_on(file: Path) -> set[str]:
    """Names that a module has from another one."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {
        each.asname or each.name for node in body if isinstance(node, ast.ImportFrom) for each in node.names
    }


@pytest.mark.parametrize("stub", sorted(STUBS.rglob("*.pyi")), ids=lambda stub: stub.stem)
def test_every_name_that_mypy_is_told_of_is_in_comfyui(require, stub: Path) -> None:
    comfy_dir = default_comfy_dir()
    require(
        (comfy_dir / "main.py").is_file(), f"There is no ComfyUI in {comfy_dir}: run `python dev.py demo`."
    )
    relative = stub.relative_to(STUBS).with_suffix("")
    module = ".".join(relative.parts).removesuffix(".__init__")
    source = comfy_dir / relative.with_suffix(".py")
    if not source.is_file():
        assert module in NEWER or names_in(stub) == set(), f"{module} is not in {comfy_dir}"
        return
    told = {name for name in names_in(stub) if not OPEN & {f"{module}.{name.rpartition('.')[0]}"}}
    lacking = {f"{module}.{name}" for name in told - names_in(source) - handed_on(source)} - NEWER
    assert not lacking, f"devtools/stubs tells of what is not there: {sorted(lacking)}"
