"""README and guide: as much in Russian as in English, no dead link, and a README of two screens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAIRS = (
    ("README.md", "README.ru.md"),
    ("README.md", "README.zh.md"),
    ("docs/guide.md", "docs/guide.ru.md"),
    ("docs/guide.md", "docs/guide.zh.md"),
)
READMES = ("README.md", "README.ru.md", "README.zh.md")
PAGES = (*READMES, *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
LINES_OF_TWO_SCREENS = 100

FENCE = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def sections(name: str) -> list[str]:
    """What stands above the first heading and below each."""
    return re.split(r"^## .*$", read(name), flags=re.MULTILINE)


def commands(section: str) -> list[list[str]]:
    """Fenced pieces by line, without what is said beside a command and the language that it is to speak."""
    spoken = re.compile(r"( --lang ru)?( {2,}\S.*)?$")
    return [
        [line if line.startswith(" ") else spoken.sub("", line) for line in piece.splitlines()]
        for piece in FENCE.findall(section)
    ]


def shape(section: str) -> dict[str, object]:
    """What does not depend on the language."""
    plain = FENCE.sub("", section)
    rows = [line.split(" | ")[0] for line in plain.splitlines() if line.startswith("|")]
    return {
        "commands": commands(section),
        "rows": [re.findall(r"`[^`]+`", row) for row in rows],
        "points": len(re.findall(r"^- ", plain, re.MULTILINE)),
        "pictures": re.findall(r"!\[[^\]]+\]\(([^)]+)\)", plain),
    }


@pytest.mark.parametrize(("english", "russian"), PAIRS)
def test_the_translated_page_has_the_sections_of_the_english_one(english: str, russian: str) -> None:
    assert len(sections(english)) == len(sections(russian)) > 3
    for number, (ours, theirs) in enumerate(zip(sections(english), sections(russian), strict=True)):
        assert shape(ours) == shape(theirs), f"section {number}"


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_to_what_is_there(page: str) -> None:
    for link in LINK.findall(FENCE.sub("", read(page))):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            known = [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings]
            assert heading in known, link


def test_the_contents_of_the_decisions_name_each_once() -> None:
    """A new decision stands last, and in the contents where somebody would look for it."""
    page = read("docs/decisions.md")
    contents, *_ = re.findall(r"^## Contents$(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    named = re.findall(r"\[([^\]]+)\]\(#", contents)
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert sorted(named) == sorted(set(headings) - {"Contents"})


@pytest.mark.parametrize("page", READMES)
def test_the_readme_fits_on_two_screens(page: str) -> None:
    assert len(read(page).splitlines()) <= LINES_OF_TWO_SCREENS


@pytest.mark.parametrize("name", READMES)
def test_the_template_to_open_first_is_called_as_the_browser_shows_it(name: str) -> None:
    (title,) = re.findall(r"vramwise > ([^*]+)\*\*", (ROOT / name).read_text(encoding="utf-8"))
    assert (ROOT / "workflows" / f"{title}.json").is_file()


@pytest.mark.parametrize("name", READMES)
def test_every_example_is_named_as_the_browser_shows_it(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert [path.stem for path in (ROOT / "workflows").glob("*.json") if f"*{path.stem}*" not in page] == []


def test_a_node_has_one_name_in_russian() -> None:
    """The word of the help pages; the other one is a network's host in the sentences."""
    texts = [*(ROOT / "web" / "docs").glob("*/ru.md"), ROOT / "docs" / "guide.ru.md", ROOT / "README.ru.md"]
    texts += [ROOT / "web" / "words" / "ru.json", *(ROOT / "locales" / "ru").glob("*.json")]
    other = re.compile("\\b\u0443\u0437(?:\u0435\u043b|\u043b[\u0430-\u044f]{0,3})\\b", re.IGNORECASE)
    assert [path.name for path in texts if other.search(path.read_text(encoding="utf-8"))] == []


def test_no_chinese_sentence_is_parted_by_a_line_of_its_source() -> None:
    """Markdown shows the end of a line as a space, which Chinese has none of between sentences."""
    wide = "[\u3001-\u30ff\u3400-\u9fff\uff01-\uff60]"
    parted = re.compile(f"{wide}\n *{wide}")
    for page in [*(ROOT / "web" / "docs").glob("*/zh.md"), ROOT / "README.zh.md"]:
        text = re.sub("(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
        assert not (found := parted.search(text)), f"{page}: {found[0]!r}"
