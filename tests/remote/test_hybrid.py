"""Hybrid with a server: pieces of pages in flight, texts in their places, and what fails falls back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from PIL import Image, ImageDraw, ImageFont
from vramwise.models.hybrid import found_lines, with_hybrid
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.hybrid.blocks import Block
from vramwise.ocr.hybrid.layout_engine import LayoutEngine
from vramwise.ocr.hybrid.pieces import line_pieces, paragraph_pieces
from vramwise.ocr.remote import open_remote
from vramwise.ocr.remote.errors import EndpointError

from devtools.fakes.chat_server import ChatServer

Endpoints = Callable[..., None]
PAGES = [["The first line", "and the second"], ["Alone"], ["Three lines", "of another", "page are here"]]
FONT = "DejaVuSans.ttf"


def drawn(lines: list[str]) -> Any:
    picture = Image.new("RGB", (700, 80 * len(lines) + 120), "white")
    for number, text in enumerate(lines):
        place = 60, 60 + 80 * number
        ImageDraw.Draw(picture).text(place, text, fill="black", font=ImageFont.truetype(FONT, 44))
    return np.asarray(picture)


@pytest.fixture(scope="module")
def pages() -> list[Any]:
    try:
        return [drawn(lines) for lines in PAGES]
    except OSError:
        pytest.skip(f"The font {FONT} is not installed.")


def test_pieces_of_several_pages_are_under_way_and_come_back_in_their_places(
    pages: list[Any], endpoints: Endpoints
) -> None:
    with ChatServer(together=2) as server:
        endpoints(studio={"urls": [server.url], "concurrency": 3})
        results = list(with_hybrid(open_remote("studio"), "lines").read(pages))
        assert server.most > 1
        assert sum(server.pictures.values()) == 6
        assert {text for result in results for text in result.text.split("\n")} == set(server.pictures)
    for page, result in zip(pages, results, strict=True):
        found = found_lines(page, None, NoProgress())
        assert {region.polygon for region in result.regions} == {line.polygon for line in found}
        assert result.model == "hybrid rapid + qwen3_vl_stand_in"


def test_a_paragraph_with_as_many_lines_as_were_found_is_laid_on_them(
    pages: list[Any], endpoints: Endpoints
) -> None:
    with ChatServer(text="eins zwei\ndrei\nvier") as server:
        endpoints(studio={"urls": [server.url]})
        (three,) = with_hybrid(open_remote("studio"), "paragraphs").read([pages[2]])
        (two,) = with_hybrid(open_remote("studio"), "paragraphs").read([pages[0]])
    assert [region.text for region in three.regions] == ["eins zwei", "drei", "vier"]
    assert [region.text for region in two.regions] == ["eins zwei drei vier"]
    assert two.regions[0].box[3] - two.regions[0].box[1] > 100


class Refusing(ChatServer):
    """Takes no second picture."""

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if sum(self.pictures.values()):
            return web.json_response({"error": {"message": "This picture is too wide."}}, status=400)
        return await super()._chat(request)


def test_a_piece_that_is_refused_is_read_by_the_built_in_engine(
    pages: list[Any], endpoints: Endpoints
) -> None:
    with Refusing() as server:
        endpoints(studio={"urls": [server.url], "concurrency": 1})
        (result,) = with_hybrid(open_remote("studio"), "lines").read([pages[0]])
    assert result.regions[1].text == "and the second"
    assert any("1 of 2 pieces" in note and "too wide" in note for note in result.notes)


def test_a_server_that_is_gone_ends_the_reading(pages: list[Any], endpoints: Endpoints) -> None:
    with ChatServer() as server:
        pass
    endpoints(studio={"urls": [server.url]})
    with pytest.raises(EndpointError):
        list(with_hybrid(open_remote("studio"), "lines").read_each(pages, ReadOptions()))


def test_every_line_is_in_one_paragraph(pages: list[Any]) -> None:
    lines = found_lines(pages[2], None, NoProgress())
    paragraphs = paragraph_pieces(lines)
    assert sorted(index for piece in paragraphs for row in piece.rows for index in row) == [0, 1, 2]
    assert len(paragraphs) < len(line_pieces(lines)) == 3


class Finding:
    """Finds the same three blocks on every page."""

    name = "stand-in"

    def blocks(self, image: Any, progress: Any) -> list[Block]:
        height, width = image.shape[:2]
        rows = ("text", "table", "image")
        return [
            Block(label, (0, height * n / 3, width, height * (n + 1) / 3)) for n, label in enumerate(rows)
        ]


def test_blocks_of_several_pages_are_asked_by_kind_and_come_back_to_their_page(
    endpoints: Endpoints,
) -> None:
    noise = np.random.default_rng(0)
    pages = [noise.integers(0, 255, (90, 120 + n, 3), np.uint8) for n in range(3)]
    with ChatServer(together=2) as server:
        endpoints(studio={"urls": [server.url], "concurrency": 3, "family": "glm_ocr"})
        reader = open_remote("studio")
        results = list(LayoutEngine(reader, Finding(), "").read(pages, ReadOptions(), NoProgress()))
        assert server.most > 1, "blocks are under way together"
        assert sorted(text for result in results for text in result.text.split("\n")) == sorted(
            server.pictures
        )
    assert [result.width for result in results] == [120, 121, 122]
    for result in results:
        assert [region.category for region in result.regions] == ["text", "table", "image"]
        assert result.regions[0].text and result.regions[1].text and not result.regions[2].text
