"""The card's name in a line that a tool writes: nvidia-smi -L, ComfyUI, lspci, dxdiag, Mesa, a browser, a
processor's name.
"""

from __future__ import annotations

import re

_LONGEST = 400
_MARKS = ("(", "[", ":", "/", "|", ",", "lhr", "hash", "gfx", "mesa")
# What stands beside a name; compiled when first asked for.
_BESIDE = (
    (r"\(uuid: [^)]*\)|\(rev [0-9a-f]{1,4}\)", " "),
    (r"^angle \([^,()]*, (.*?)(?: \(0x| direct3d| opengl| vulkan|, d3d).*$", r"\1"),
    (r"\((?:radv|radeonsi|amdgpu|llvm|aco|dg2|bmg|acm)\b[^)]*\)", " "),
    (r"\((?:navi|polaris|vega|dg|gfx) ?\d[^)]*\)", " "),
    (r",? *\bgfx[0-9a-f]{3,4}\b|\(0x[0-9a-f]{1,8}\)", " "),
    (r"/pcie/sse2\b|^mesa (?=intel|amd)|\brev\.? [a-z]\b(?=.*[]]|$)", " "),
    (r"^\s*(?:(?:card )?name|product|model|chip type|(?:opengl )?renderer(?: string)?) ?: ", " "),
    (r"^\s*(?:gpu|cuda|xpu|mps|hip|device|card)[ :#]*\d{1,2} ?: ", " "),
    (r"^\s*(?:cuda|xpu|mps):\d{1,2} | : (?:cudamallocasync|native)\s*$", " "),
    (r"^[\s|]*\d{1,2}[,\s]+(?=nvidia|amd|intel)|\s+(?:on|off)\s*\|.*$", " "),
    (r"^.* w/ ?(?=.*radeon)", " "),
    (r"\[[0-9a-f]{4}(?::[0-9a-f]{4})?\]", " "),
    (r"^[^\[\]]*\b(?:corporation|inc\.?) ?(?:\[[^\]]*\])?[^\[\]]*\[([^\[\]]+)\].*$", r"\1"),
    (r"\blite hash rate\b|\blhr\b|(?<=mobile) / max-q\b", " "),
)


def of_a_tool(line: str) -> str:
    """The card's name of a line that a tool writes of it; anything else as it is."""
    plain = line.casefold()
    if len(line) > _LONGEST or not any(mark in plain for mark in _MARKS):
        return line
    found = plain
    for pattern, put in _BESIDE:
        found = re.sub(pattern, put, found)
    return line if found == plain else " ".join(found.split())
