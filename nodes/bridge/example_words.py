"""Our examples and blueprints in the reader's language: their names in the template browser and the search,
titles and notes in the graph.

ComfyUI lists a pack's examples and blueprints by the names of their files and has no index with words for
them, so the answers about ours are changed on their way out: the list, and the file. Names of examples in
another language lead to the same files, their pictures too; blueprints are asked for by an id. Of other packs
nothing is touched.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from ...core.catalog.words import LANGUAGES

log = logging.getLogger(__name__)
_PACK = Path(__file__).parents[2]  # as ComfyUI sees it, which may be a link
_ROUTES = ("/workflow_templates", "/api/workflow_templates")
_BLUEPRINTS = ("/global_subgraphs", "/api/global_subgraphs")


@functools.cache
def words_of(lang: str) -> Mapping[str, Any]:
    """``examples``: title and note by the English name; ``blueprints``: what each does; ``titles``: of nodes,
    groups, blueprints. Empty for English."""
    file = _PACK / "workflows" / "words" / f"{lang}.json"
    if lang not in LANGUAGES or lang == "en":
        return {"examples": {}, "blueprints": {}, "titles": {}}
    known: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return known


@functools.cache
def _english_names() -> Mapping[str, tuple[str, str]]:
    """Language and English name by the name in that language."""
    return {
        its["title"]: (lang, name) for lang in LANGUAGES for name, its in words_of(lang)["examples"].items()
    }


def listed(names: list[str], lang: str) -> list[str]:
    """Names of our examples as ``lang`` calls them."""
    known = words_of(lang)["examples"]
    return [known[name]["title"] if name in known else name for name in names]


def translated(workflow: Any, name: str, lang: str) -> Any:
    """A graph with its titles and its note in ``lang``, in place."""
    words = words_of(lang)
    note, titles = words["examples"].get(name, {}).get("note"), words["titles"]

    def told(owner: dict[str, Any], key: str) -> None:
        if owner.get(key) in titles:
            owner[key] = titles[owner[key]]

    for graph in (workflow, *workflow.get("definitions", {}).get("subgraphs", ())):
        told(graph, "name")
        for group in graph.get("groups", ()):
            told(group, "title")
        for node in graph.get("nodes", ()):
            if note and "Note" in node["type"]:
                node["title"], node["widgets_values"] = words["examples"][name]["title"], [note]
            told(node, "title")
    if name in words["blueprints"]:
        workflow["extra"]["BlueprintDescription"] = words["blueprints"][name]
    return workflow


def middleware(language: Any) -> Any:
    """The middleware; ``language(request)`` is the reader's."""

    @web.middleware
    async def change(request: web.Request, handler: Any) -> Any:
        ours = request.method == "GET" and request.path.startswith((*_ROUTES, *_BLUEPRINTS))
        answer = _file(request) if ours else None
        if answer is not None:
            return answer
        answered = await handler(request)
        if not ours or getattr(answered, "status", 0) != 200:
            return answered
        change_it = _blueprints if request.path.startswith(_BLUEPRINTS) else _changed
        try:
            return change_it(request, answered, language(request))
        except Exception:  # an answer of another form than any that is known goes out as it is
            log.debug("The examples stay English", exc_info=True)
            return answered

    return change


def _file(request: web.Request) -> web.StreamResponse | None:
    """The answer for a name that is not English; None for all else."""
    module, _, file = _rest(request).partition("/")
    name, _, kind = file.rpartition(".")
    if module != _PACK.name or name not in _english_names() or kind not in ("json", "jpg"):
        return None
    lang, english = _english_names()[name]
    path = _PACK / "workflows" / f"{english}.{kind}"
    if kind == "jpg":
        return web.FileResponse(path)
    return web.json_response(translated(json.loads(path.read_text(encoding="utf-8")), english, lang))


def _changed(request: web.Request, answered: Any, lang: str) -> Any:
    """The list of examples, with ours in ``lang``; what else was asked for as it is."""
    rest = _rest(request)
    if rest or lang == "en" or not isinstance(answered, web.Response) or answered.body is None:
        return answered
    found = json.loads(answered.text or "")
    found[_PACK.name] = listed(found[_PACK.name], lang)
    return web.json_response(found)


def _blueprints(request: web.Request, answered: Any, lang: str) -> Any:
    """The list of blueprints, or one of them, with ours in ``lang``."""
    if lang == "en" or not isinstance(answered, web.Response) or answered.body is None:
        return answered
    found = json.loads(answered.text or "")
    alone = "source" in found
    for its in (found,) if alone else found.values():
        if its["info"]["node_pack"] != f"custom_nodes.{_PACK.name}":
            continue
        if its.get("data"):
            graph = translated(json.loads(its["data"]), its["name"], lang)
            its["data"] = json.dumps(graph, ensure_ascii=False)
        its["name"] = words_of(lang)["titles"].get(its["name"], its["name"])
    return web.json_response(found)


def _rest(request: web.Request) -> str:
    """What of the path stands behind the route's."""
    return request.path.partition("/workflow_templates")[2].strip("/")
