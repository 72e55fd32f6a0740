from typing import Any, ClassVar

from aiohttp import web

class PromptServer:
    instance: ClassVar[PromptServer]
    app: web.Application
    routes: web.RouteTableDef
    prompt_queue: Any
    client_id: str | None
    def send_progress_text(self, text: str, node_id: str) -> None: ...
