from comfy_api.latest import _io as io

class ComfyExtension:
    async def get_node_list(self) -> list[type[io.ComfyNode]]: ...

__all__ = ["ComfyExtension", "io"]
