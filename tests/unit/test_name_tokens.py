"""Tokens in the name of a file mean what they mean in Save Image, and lead nowhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vramwise.documents.name_tokens import LONGEST_VALUE, filled_in, widgets_of
from vramwise.documents.safe_names import within
from vramwise.errors import VramwiseError

NOW = datetime(2026, 3, 7, 9, 5, 4)
PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 42, "cfg": 7.5, "model": ["4", 0]}},
    "4": {"class_type": "Loader", "inputs": {"name": "sub/v1.5: a?b"}, "_meta": {"title": "My loader 1.5"}},
    "5:8": {"class_type": "Note", "inputs": {"text": "../../etc", "on": True, "long": "x" * 900}},
    "9": {"class_type": "KSampler", "inputs": {"seed": 99}, "_meta": {"title": "Second"}},
}
WORKFLOW = {
    "nodes": [
        {"id": 9, "type": "KSampler", "title": "Upscale", "properties": {"Node name for S&R": "up"}},
        {"id": 4, "type": "Loader", "title": None, "properties": {}},
    ]
}


def filled(name: str, size: tuple[int, int] = (640, 480)) -> str:
    return filled_in(name, NOW, size, widgets_of(PROMPT, WORKFLOW))


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("a/%date:yyyy-MM-dd%/b", "a/2026-03-07/b"),
        ("%date:yyyyMMddhhmmss%", "20260307090504"),
        ("%date:d.M.yy h:m:s%", "7.3.26 9_5_4"),
        ("%date:yyyy/MM%/page", "2026/03/page"),
        ("%date:yyy%", "yyy"),
        ("%date:%", "%date:%".replace("%date:%", "")),
        ("%year%%month%%day%-%hour%%minute%%second%", "20260307-090504"),
        ("%width%x%height%", "640x480"),
        ("%KSampler.seed%_%KSampler.cfg%", "42_7.5"),
        ("%up.seed% %Upscale.seed% %Second.seed%", "99 99 99"),
        ("%Loader.name%", "sub_v1.5_ a_b"),
        ("%My loader 1.5.name%", "sub_v1.5_ a_b"),
        ("%Note.on%", "true"),
        ("%Note.text%", "_.._etc"),
        ("%Note.long%", "x" * LONGEST_VALUE),
        # what is none stays, as in Save Image: unknown words, nodes and widgets, and links
        ("%seed% 100% %nobody.seed% %KSampler.nothing% %KSampler.model%",) * 2,
        ("50%", "50%"),
    ],
)
def test_tokens_are_filled_in(name: str, becomes: str) -> None:
    assert filled(name) == becomes


@pytest.mark.parametrize(
    "name",
    ["%date:../../..%/x", "%date:/etc%", "a/%Note.text%/../x", "%date:..%", "C:%date:yyyy%", "%date:\\yyyy%"],
)
def test_what_leads_elsewhere_once_it_is_filled_in_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VramwiseError, match="nothing was read or written"):
        within(tmp_path, filled(name), "filename_prefix", written=True)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | (
                st.dictionaries(
                    st.sampled_from(["nodes", "id", "inputs", "class_type", "properties", "title", "a"]),
                    inner,
                )
            )
        ),
    )
)
def test_whatever_came_with_a_prompt_is_looked_through(data: Any) -> None:
    assert filled_in("%a.b%", NOW, (0, 0), widgets_of({"a": data}, data)) is not None


@given(st.text())
def test_a_value_is_one_part_of_a_name(value: str) -> None:
    lookup = widgets_of({"1": {"class_type": "Note", "inputs": {"text": value}}})
    made = filled_in("a_%Note.text%_b", NOW, (0, 0), lookup)
    assert within(Path("/out"), made, "filename_prefix", written=True).parent == Path("/out")
