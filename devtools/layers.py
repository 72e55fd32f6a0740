"""python -m devtools.layers: every import of core/ against the floors in pyproject.toml (import-linter).

Reads the core/ of the current folder and imports nothing of it. Exit code 1 where an import points up, runs
in a circle, or leads to ComfyUI or the nodes.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from importlinter.cli import lint_imports


def leaving(package: Path) -> Iterator[str]:
    """The relative imports that leave ``package``, which import-linter takes for a module without a name."""
    for path in sorted(package.rglob("*.py")):
        depth = len(path.relative_to(package).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level > depth:
                yield f"{path.as_posix()}, line {node.lineno}: the import leaves {package.name}/"


def main() -> int:
    outside = list(leaving(Path("core")))
    for sentence in outside:
        print(sentence)
    return lint_imports(no_cache=True, no_logo=True) or bool(outside)


if __name__ == "__main__":
    sys.exit(main())
