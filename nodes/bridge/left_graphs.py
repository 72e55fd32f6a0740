"""Models whose loader has left the graph, where another pack keeps outputs beyond it.

ComfyUI drops the outputs of nodes that are in no graph any more, and a handle's weights go with the handle. A
cache provider (newer versions let packs register one) keeps the very same objects for as long as it likes.
Where there is one, a listener of ours stands beside it: it keeps nothing, hears of each prompt, and lets the
weights go of every handle that the prompt's graph has no loader for. The handle stays good: whoever reads
with it again brings them back.

The net that finds a page's blocks goes with its reader, and before it where no node of a graph reads pages by
their layout any more.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...core.errors import VramwiseError

if TYPE_CHECKING:
    from ...core.models.handle import OCRHandle

LOADER = "VramwiseOCRModelLoader"
READERS = ("VramwiseOCR",)  # that can read by a page's layout


class _Followed:
    """The handles that have read while somebody kept outputs; only the thread that runs prompts adds any."""

    handles: tuple[weakref.ref[OCRHandle], ...] = ()
    listener: Any = None


def follow(reader: Any) -> None:
    """``reader`` is about to read. A layout net that the graph has no use for goes first. Where outputs are
    kept by a provider, the reader's weights go when its loader has left the graph.
    """
    let_nets_go()
    caches = _provider_module()
    providers = caches._get_cache_providers() if hasattr(caches, "_get_cache_providers") else ()
    if all(one is _Followed.listener for one in providers):
        return
    from ...core.models.handle import OCRHandle

    if not isinstance(reader, OCRHandle):
        return
    living = tuple(one for one in _Followed.handles if one() is not None)
    _Followed.handles = living if any(one() is reader for one in living) else (*living, weakref.ref(reader))
    if _Followed.listener not in providers:
        _Followed.listener = _listener(caches)
        caches.register_cache_provider(_Followed.listener)


def let_go(loaders: list[Mapping[str, Any]]) -> None:
    """Drop the weights of followed handles that none of ``loaders`` (inputs of a graph's loader nodes) makes
    and that no handle of the graph shares.
    """
    handles = [handle for one in _Followed.handles if (handle := one()) is not None]
    wanted = [any(_makes(inputs, handle) for inputs in loaders) for handle in handles]
    used = [handle.patcher for handle, stays in zip(handles, wanted, strict=True) if stays]
    for handle, stays in zip(handles, wanted, strict=True):
        if not stays and not any(handle.patcher is one for one in used):
            handle.release()


def let_nets_go() -> None:
    """Drop the weights of the nets that find blocks, unless a node of the running graph asks for one."""
    from ...core.models.layout import release_nets

    asked = (node["inputs"].get("hybrid") for node in _nodes() if node["class_type"] in READERS)
    if not any(_links(hybrid) or hybrid == "layout" for hybrid in asked):
        release_nets()


def _nodes() -> Iterator[Mapping[str, Any]]:
    """Every node of the running graph."""
    from comfy_execution.progress import get_progress_state

    graph = get_progress_state().dynprompt
    return (graph.get_node(one) for one in graph.all_node_ids())


def _makes(inputs: Mapping[str, Any], handle: OCRHandle) -> bool:
    """Whether a loader with these inputs gives ``handle``. What comes by a link may be any value."""
    names = ("precision", "attention", "device", "quantise_vision")
    same = (_links(inputs[name]) or inputs[name] == getattr(handle, name) for name in names if name in inputs)
    return all(same) and (_links(inputs.get("model")) or _is_model(str(inputs.get("model")), handle.model))


def _links(value: Any) -> bool:
    return isinstance(value, list)


def _is_model(name: str, model: str) -> bool:
    from ...core.models.names import model_id

    try:
        return name == model or model_id(name) == model
    except VramwiseError:
        return False


def _provider_module() -> Any:
    """Where ComfyUI keeps who keeps outputs; None on versions that know no providers."""
    try:
        from comfy_execution import cache_provider
    except ImportError:
        return None
    return cache_provider


def _listener(caches: Any) -> Any:
    from comfy_execution.progress import get_progress_state

    class Listener(caches.CacheProvider):  # type: ignore[misc]
        """Keeps nothing. Asked at a prompt's start for the nodes that are not in ComfyUI's own cache."""

        seen: Any = None

        async def on_lookup(self, context: Any) -> None:
            return None

        async def on_store(self, context: Any, value: Any) -> None:
            return None

        def should_cache(self, context: Any, value: Any = None) -> bool:
            self.look()
            return False

        def on_prompt_end(self, prompt_id: str) -> None:
            self.look()

        def look(self) -> None:
            running = get_progress_state()
            if running.prompt_id == self.seen:
                return
            self.seen = running.prompt_id
            let_go([node["inputs"] for node in _nodes() if node["class_type"] == LOADER])
            let_nets_go()

    return Listener()
