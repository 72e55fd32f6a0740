"""`dev.py comfy-names`: the names of ComfyUI that the pack uses, read in checkouts without running them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from devtools.comfy_names.__main__ import Frontend, faults, look_at_checkouts, look_at_frontends
from devtools.comfy_names.tree import Checkout
from devtools.comfy_names.uses import Call, Use, frontend_uses, python_uses

ROOT = Path(__file__).resolve().parents[2]

SOURCES = {
    "comfyui_version.py": '__version__ = "0.9.1"\n',
    "comfy/manage.py": """
import threading
from comfy.deeper import *

def load(models, memory_required=0, *, force=False): ...

class Patcher:
    def __init__(self, model, size=0):
        self.device = None
    @property
    def ready(self): ...
    def detach(self, unpatch_all=True, quickly=False): ...

class Quick(Patcher):
    pass

if True:
    where = 3
""",
    "comfy/deeper.py": "def deep(one): ...\n",
    "comfy_api/latest/__init__.py": "from . import _io as io\n",
    "comfy_api/latest/_io.py": """
from dataclasses import dataclass

class Both:
    class Input:
        def __init__(self, id, tooltip=None): ...

class Image(Both):
    class Input(Both.Input): ...

def Custom(io_type): ...

@dataclass
class Schema:
    node_id: str
    category: str = ""
""",
    "comfy_api/v0_0_2/__init__.py": "from comfy_api.latest import io\n",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("ComfyUI")
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Checkout(folder)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("comfy.manage", True),
        ("comfy.manage.load", True),
        ("comfy.manage.deep", True),  # by a star
        ("comfy.manage.where", True),
        ("comfy.manage.threading", True),
        ("comfy.manage.Quick.detach", True),  # its base's
        ("comfy.manage.Patcher.device", True),  # set on self
        ("comfy.manage.Patcher.ready", True),
        (
            "comfy_api.v0_0_2.io.Image.Input",
            True,
        ),  # through two modules, of a class that is named like its base
        ("comfy.manage.Patcher.gone", False),
        ("comfy.manage.unload", False),
        ("comfy.elsewhere", False),
    ],
)
def test_a_name_is_found_where_python_would_find_it(checkout: Checkout, name: str, there: bool) -> None:
    assert (checkout.find(name) is not None) is there


@pytest.mark.parametrize(
    ("name", "call", "why"),
    [
        ("comfy.manage.load", Call("", 1, ("memory_required",)), None),
        ("comfy.manage.load", Call("", 1, ("minimum",)), "takes no minimum"),
        ("comfy.manage.load", Call("", 1, ("minimum",), adapted=True), None),
        ("comfy.manage.load", Call("", 3, ()), "takes 2 values, not 3"),
        ("comfy.manage.Quick", Call("", 2, ()), None),
        ("comfy.manage.Quick", Call("", 1, ("shape",)), "takes no shape"),
        ("comfy_api.latest.io.Schema", Call("", 0, ("node_id", "essentials")), "takes no essentials"),
    ],
)
def test_a_call_that_a_version_would_refuse_is_told(
    checkout: Checkout, name: str, call: Call, why: str | None
) -> None:
    assert checkout.refuses(name, call) == why


def test_a_method_of_ours_that_takes_less_than_core_gives_is_told(checkout: Checkout) -> None:
    def arguments(source: str) -> ast.arguments:
        node = ast.parse(source).body[0]
        assert isinstance(node, ast.FunctionDef)
        return node.args

    short, open_ = (
        arguments("def detach(self, unpatch_all=True): ..."),
        arguments("def detach(self, **k): ..."),
    )
    assert "quickly" in str(checkout.outgrows("comfy.manage.Patcher.detach", short))
    assert checkout.outgrows("comfy.manage.Patcher.detach", open_) is None


def test_what_is_absent_is_a_fault_only_where_it_is_needed(checkout: Checkout) -> None:
    uses = {
        "comfy.manage.gone": Use("comfy.manage.gone", optional=False),
        "comfy.manage.newer": Use("comfy.manage.newer"),
        "comfy.manage.load": Use("comfy.manage.load", optional=False),
    }
    assert faults(look_at_checkouts([checkout], uses)) == ["comfy.manage.gone is not in 0.9.1"]


def test_a_frontends_names_are_words_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").touch()
    (tmp_path / "version.txt").write_text("1.2.3", encoding="utf-8")
    (tmp_path / "assets" / "a.js").write_text('e.registerExtension(t),n("Comfy.Known")', encoding="utf-8")
    uses = {"app.registerExtension": ["a"], "app.gone": ["a"], "Comfy.Known": ["a"]}
    assert faults(look_at_frontends([Frontend(tmp_path)], uses), (0,)) == ["app.gone is not in 1.2.3"]


def test_the_packs_own_uses_are_seen() -> None:
    uses, web = python_uses(), frontend_uses()
    assert not uses["comfy.model_management.load_models_gpu"].optional
    assert uses["comfy.model_management.is_oom"].optional, "asked for by getattr"
    assert [call.adapted for call in uses["comfy_api.v0_0_2.io.Schema"].calls] != []
    assert any(call.names for call in uses["comfy_api.v0_0_2.io.Combo.Input"].calls)
    assert {"app.registerExtension", "node.addDOMWidget", "scripts/app.js"} <= set(web)


def test_the_page_has_the_names_that_are_used() -> None:
    """A few new ones may wait until somebody has the checkouts at hand: `python dev.py comfy-names DIR...`
    prints the tables.
    """
    page = (ROOT / "docs" / "comfyui.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    used = {*python_uses(), *frontend_uses()}
    assert told - used == set(), "nobody uses these any more"
    assert len(used - told) <= 10, sorted(used - told)
