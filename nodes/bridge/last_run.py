"""What a page that is loaded again has lost: what our nodes showed when their workflow last ran."""

from __future__ import annotations

from typing import Any


def last_shown(queue: Any, workflow: str) -> dict[str, Any]:
    """What nodes of ours showed in the newest run of the workflow of this id that ComfyUI's queue remembers
    and in which one of ours showed anything, by a node's id in the prompt: "12", or "7:12" inside subgraph
    node 7. Empty where there is none.
    """
    # nothing but zeros is what frontend 1.32.9 calls every graph that was emptied
    if queue is None or not workflow.strip("0-"):
        return {}
    with queue.mutex:
        runs = list(queue.history.values())
    for run in reversed(runs):
        _, _, graph, extra, *_ = run["prompt"]
        # whoever sent the prompt wrote what is in `extra`
        if _inside(extra, "extra_pnginfo", "workflow", "id") != workflow:
            continue
        shown = {node: output for node, output in run["outputs"].items() if _is_ours(graph.get(node))}
        if shown:
            return shown
    return {}


def _is_ours(node: Any) -> bool:
    return str(_inside(node, "class_type")).startswith("Vramwise")


def _inside(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
