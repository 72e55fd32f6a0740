"""Many pages: all of them, in order, as many at once as asked for, and in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from vramwise.ocr.remote import open_remote
from vramwise.ocr.remote.image_encoding import encode

from devtools.fakes.chat_server import ChatServer, words_of

Endpoints = Callable[..., None]
Pictures = Callable[..., list[Any]]


def truth(pages: list[Any]) -> list[str]:
    return [words_of(encode(page, 10**7, "png")[0]) for page in pages]


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_as_many_requests_are_under_way_as_asked_for_and_never_more(
    at_once: int, endpoints: Endpoints, pictures: Pictures
) -> None:
    pages = pictures(3 * at_once)
    with ChatServer(0.2, together=at_once) as server:  # and a moment, for one too many
        endpoints(studio={"urls": [server.url], "concurrency": at_once})
        assert [result.text for result in open_remote("studio").read(pages)] == truth(pages)
        assert server.most == at_once


def test_pages_are_drawn_only_as_the_window_has_room(endpoints: Endpoints, pictures: Pictures) -> None:
    pages = pictures(60)
    drawn = taken = most = 0

    def feed() -> Iterator[Any]:
        nonlocal drawn, most
        for page in pages:
            drawn += 1
            most = max(most, drawn - taken)
            yield page

    with ChatServer(0.02) as server:
        endpoints(studio={"urls": [server.url], "concurrency": 4})
        for _ in open_remote("studio").read_each(feed()):
            taken += 1
    assert taken == drawn == 60
    assert most <= 2 * 4 + 1


def test_requests_are_shared_out_among_the_servers(endpoints: Endpoints, pictures: Pictures) -> None:
    pages = pictures(60)
    with ChatServer(0.05) as one, ChatServer(0.05) as two, ChatServer(0.05) as three:
        endpoints(studio={"urls": [one.url, two.url, three.url], "concurrency": 6})
        assert [page.text for page in open_remote("studio").read(pages)] == truth(pages)
        counts = [sum(server.pictures.values()) for server in (one, two, three)]
        assert sum(counts) == 60 and min(counts) >= 12
        assert max(server.most for server in (one, two, three)) <= 3, "the least busy one is asked"


def test_a_slow_server_is_asked_less(endpoints: Endpoints, pictures: Pictures) -> None:
    class Last(ChatServer):
        """Answers when the other one has had nothing to do for a while."""

        async def turn(self) -> None:
            looks = 0
            while looks < 40:
                looks = 0 if quick.now else looks + 1
                await asyncio.sleep(0.005)

    with ChatServer(0.02) as quick, Last() as slow:
        endpoints(studio={"urls": [slow.url, quick.url], "concurrency": 4})
        list(open_remote("studio").read(pictures(60)))
        assert sum(quick.pictures.values()) > 2 * sum(slow.pictures.values()) > 0


def test_a_server_that_comes_back_is_asked_again(endpoints: Endpoints, pictures: Pictures) -> None:
    pages = pictures(120)
    with ChatServer() as gone:
        pass
    with ChatServer(0.05) as steady:
        endpoints(studio={"urls": [gone.url, steady.url], "concurrency": 4})
        outcomes = open_remote("studio").read(iter(pages))
        texts = [next(outcomes).text for _ in range(10)]
        with ChatServer(0.05, port=gone.port) as back:
            texts += [outcome.text for outcome in outcomes]
            assert sum(back.pictures.values()) > 5
        assert texts == truth(pages)
        assert max((steady.pictures + back.pictures).values()) == 1, "no page was read twice"


def test_pages_are_asked_about_in_order_however_soon_each_is_encoded(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    large, small = pictures(1, height=1500, width=1500), pictures(4, height=40, width=60)
    with ChatServer() as server:
        endpoints(studio={"urls": [server.url], "concurrency": 1})
        results = open_remote("studio").read([*large, *small])
        assert [result.text for result in results] == list(server.pictures)


def test_blank_pages_are_never_sent(endpoints: Endpoints, pictures: Pictures) -> None:
    import numpy as np

    white = np.full((48, 64, 3), 255, np.uint8)
    with ChatServer() as server:
        endpoints(studio={"urls": [server.url]})
        first, second = open_remote("studio").read([white, *pictures(1)])
        assert (first.finish_reason, first.text) == ("blank", "")
        assert second.finish_reason == "stop"
        assert sum(server.pictures.values()) == 1


def test_a_picture_is_sent_at_max_pixels_and_its_boxes_come_back_in_the_original(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    from vramwise.ocr.engines.protocol import ReadOptions

    said = '[{"bbox_2d": [0, 0, 500, 1000], "text_content": "left half"}]'
    (page,) = pictures(1, height=400, width=600)
    with ChatServer(text=said) as server:
        endpoints(studio={"urls": [server.url]})
        options = ReadOptions(task="spotting", max_pixels=60_000)
        (result,) = open_remote("studio").read([page], options)
        assert list(server.pictures) == [words_of(encode(page, 60_000, "png")[0])]
        (region,) = result.regions
        assert region.text == "left half"
        assert region.polygon == ((0, 0), (300, 0), (300, 400), (0, 400))
        assert (result.width, result.height) == (600, 400)


def test_a_prompt_that_the_task_has_no_use_for_is_said_in_the_notes(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    from vramwise.errors import VramwiseError
    from vramwise.ocr.engines.protocol import ReadOptions

    with ChatServer() as server:
        endpoints(studio={"urls": [server.url]})
        (result,) = open_remote("studio").read(pictures(1), ReadOptions(prompt="Translate it."))
        assert any("The prompt is ignored" in note for note in result.notes)
        with pytest.raises(VramwiseError, match="needs a prompt"):
            list(open_remote("studio").read(pictures(1), ReadOptions(task="custom")))


def test_every_pixel_travels_and_those_of_a_page_without_colours_once(pictures: Pictures) -> None:
    import base64
    import io

    import numpy as np
    from PIL import Image

    (coloured,) = pictures(1)
    grey = np.repeat(coloured[..., :1], 3, axis=2)
    nearly = grey.copy()
    nearly[-1, -1, 2] ^= 1
    for page, mode in ((coloured, "RGB"), (grey, "L"), (nearly, "RGB")):
        url, size = encode(page, 10**7, "png")
        picture = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
        assert (picture.mode, picture.size, size) == (mode, (64, 48), (64, 48))
        assert np.array_equal(np.asarray(picture.convert("RGB")), page)


@pytest.mark.slow
def test_a_long_queue_takes_no_more_memory_than_a_short_one() -> None:
    from benchmarks.remote import chat_server, queue_bytes

    with chat_server(0.0) as address:
        short, long = queue_bytes(address, 100), queue_bytes(address, 1000)
    assert long - short < 200 * 1024**2, "1,000 such pictures are 0.9 GB"
