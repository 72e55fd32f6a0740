# An input's options differ from version to version: nodes/bridge/schema.py drops those that are not known.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

class _Input:
    id: str
    def __init__(self, id: str, **options: Any) -> None: ...

class _Output:
    def __init__(self, id: str | None = None, **options: Any) -> None: ...

class _ComfyType:
    io_type: str
    class Input(_Input): ...
    class Output(_Output): ...

class AnyType(_ComfyType): ...
class Boolean(_ComfyType): ...
class Clip(_ComfyType): ...
class Combo(_ComfyType): ...
class Float(_ComfyType): ...
class Image(_ComfyType): ...
class Int(_ComfyType): ...
class Mask(_ComfyType): ...
class String(_ComfyType): ...

class MatchType(_ComfyType):
    class Template:
        def __init__(self, template_id: str) -> None: ...

    class Input(_Input):
        def __init__(self, id: str, template: MatchType.Template, **options: Any) -> None: ...

    class Output(_Output):
        def __init__(self, template: MatchType.Template, **options: Any) -> None: ...

class MultiType:
    class Input(_Input):
        def __init__(self, id: str | _Input, types: Sequence[type[_ComfyType]], **options: Any) -> None: ...

def Custom(io_type: str) -> type[_ComfyType]: ...

class Hidden(str, Enum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"

class _Held:
    unique_id: str
    prompt: dict[str, Any]
    extra_pnginfo: dict[str, Any]

@dataclass
class Schema:
    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[_Input] | None = None
    outputs: list[_Output] | None = None
    hidden: list[Hidden] | None = None
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_experimental: bool = False
    not_idempotent: bool = False

class NodeOutput:
    def __init__(
        self, *args: Any, ui: Mapping[str, Any] | None = None, block_execution: str | None = None
    ) -> None: ...

class ComfyNode:
    hidden: _Held
    @classmethod
    def define_schema(cls) -> Schema: ...
