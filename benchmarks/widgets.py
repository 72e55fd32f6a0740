"""Five thousand random settings of the pack's nodes through POST /prompt of a real ComfyUI: how they ended,
as the row of docs/reliability.md.
"""

from __future__ import annotations

from typing import Any

CASES = 5_000


def run(count: int = CASES) -> dict[str, Any]:
    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import ComfyServer
    from devtools.fuzzing.widgets import tally

    with ComfyServer() as server:
        server.wait_ready()
        client = ComfyClient(server.url)
        found = tally(client, count)
        alive = client.request("/system_stats").status == 200
    command = "`python dev.py bench widgets`"
    counts = (found.tries, found.results, found.sentences, len(found.faults))
    print(f"| {found.kind} | {command} | {' | '.join(f'{number:,}' for number in counts)} |")
    for number, said in found.faults:
        print(f"  {number}: {said}")
    return {
        "tries": found.tries,
        "results": found.results,
        "sentences": found.sentences,
        "faults": len(found.faults),
        "server_alive": alive,
    }
