"""What the tree cites of docs/sources.md is there, and it cites no page that is not in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CITED = re.compile(r"docs/sources\.md#([\w-]+)")
# written apart, so that this file does not cite them
ELSEWHERE = re.compile("reference" + r"/[\w-]+\.md")
TEXT = {"", ".c", ".csv", ".js", ".json", ".md", ".mjs", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}


def texts() -> dict[str, str]:
    """Every file of text that git tracks or would track once added, by its path in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode("utf-8")
    names = sorted(name for name in set(listed.split("\0")) if name and Path(name).suffix in TEXT)
    files = {name: ROOT / name for name in names}
    return {name: path.read_text(encoding="utf-8") for name, path in files.items() if path.is_file()}


def anchors(markdown: str) -> list[str]:
    """The anchors of its headings, as GitHub makes them: lower case, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.fixture(scope="module")
def tree() -> dict[str, str]:
    return texts()


def test_every_section_that_is_cited_exists(tree: dict[str, str]) -> None:
    there = anchors(tree["docs/sources.md"])
    assert len(set(there)) == len(there)
    cited = {(name, anchor) for name, text in tree.items() for anchor in CITED.findall(text)}
    others = {name for name, _ in cited} - {"docs/sources.md"}
    assert len(others) > 10
    assert [(name, anchor) for name, anchor in sorted(cited) if anchor not in there] == []


def test_every_section_is_cited_somewhere(tree: dict[str, str]) -> None:
    others = [text for name, text in tree.items() if name != "docs/sources.md"]
    cited = {anchor for text in others for anchor in CITED.findall(text)}
    assert set(anchors(tree["docs/sources.md"])[1:]) <= cited


def test_no_file_cites_a_page_that_is_not_in_the_repository(tree: dict[str, str]) -> None:
    assert [name for name, text in tree.items() if ELSEWHERE.search(text)] == []


def test_every_section_says_how_its_facts_were_established(tree: dict[str, str]) -> None:
    sections = re.split(r"^## ", tree["docs/sources.md"], flags=re.M)[1:]
    established = re.compile(r"\b(run|read|published|measured|rumours|estimate)\b")
    assert [text.splitlines()[0] for text in sections if not established.search(text)] == []
