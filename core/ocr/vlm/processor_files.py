"""A folder's tokenizer and processor files as the installed transformers takes them.

Only asked where opening them as they are has failed: other versions and other tools write some entries in
another form, which says nothing about the model.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

from ...units import MIB

_SUFFIXES = (".json", ".txt", ".model", ".tiktoken")
_LARGEST = 256 * MIB  # bytes of one file; the largest tokenizer.json has 33 MB
_WITHOUT_TEMPLATE = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


def mended_processor_files(path: Path) -> dict[str, bytes]:
    """Name and content of the files that a processor is made of; empty where there is nothing to mend.

    Chat templates are left out, because core reads them itself (chat_template.py); special tokens are listed
    in the form of this transformers, and a name of an image processor that it does not have is left out, so
    that it takes that of the model. So is the mark that Windows' editors write in front of UTF-8.
    """
    files: dict[str, bytes] = {}
    mended = (path / "additional_chat_templates").is_dir()
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.suffix not in _SUFFIXES or file.name.endswith(".index.json"):
            continue
        if file.name == "chat_template.json":
            mended = True
            continue
        if file.stat().st_size > _LARGEST:
            continue
        content = file.read_bytes()
        if file.name in _WITHOUT_TEMPLATE:
            changed = _mended(file.name, content)
            mended |= changed is not None
            content = content if changed is None else changed
        elif file.suffix == ".json" and content.startswith(BOM_UTF8):
            mended, content = True, content.removeprefix(BOM_UTF8)
        files[file.name] = content
    return files if mended else {}


def _mended(name: str, content: bytes) -> bytes | None:
    """The mended file, None where it is right or no JSON object."""
    import transformers

    try:
        data: Any = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    before = dict(data)
    data.pop("chat_template", None)
    if name == "tokenizer_config.json" and int(transformers.__version__.split(".")[0]) < 5:
        listed = data.get("extra_special_tokens")
        if isinstance(listed, list):  # transformers 5 lists what 4 names
            del data["extra_special_tokens"]
            data.setdefault("additional_special_tokens", listed)
        if data.get("tokenizer_class") == "TokenizersBackend":
            data["tokenizer_class"] = "PreTrainedTokenizerFast"
    kind = data.get("image_processor_type")
    if isinstance(kind, str) and not hasattr(transformers, kind):
        del data["image_processor_type"]
    return None if data == before and not content.startswith(BOM_UTF8) else json.dumps(data).encode()
