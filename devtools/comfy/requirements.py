"""Which lines of a ComfyUI's requirements.txt an environment does not meet: `python requirements.py FILE`.

Run by the environment's own Python; one line each to stdout. Markers that are not of this machine are passed
over, and so is what is no requirement (options, addresses).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path


def unmet(lines: Iterable[str]) -> Iterator[str]:
    """Those of ``lines`` whose package is absent here or of another version."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        wanted = line.partition(" #")[0].strip()
        if not wanted or wanted.startswith(("#", "-")):
            continue
        try:
            asked = Requirement(wanted)
        except InvalidRequirement:
            continue
        if asked.marker is not None and not asked.marker.evaluate():
            continue
        try:
            here = metadata.version(asked.name)
        except metadata.PackageNotFoundError:
            yield wanted
            continue
        if not asked.specifier.contains(here, prereleases=True):
            yield wanted


if __name__ == "__main__":
    print("\n".join(unmet(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())))
