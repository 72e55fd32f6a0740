"""Questions to a served model: several pictures, a conversation, drawn words, JSON by a schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image
from vramwise.cli import main
from vramwise.errors import VramwiseError
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.remote import open_remote

from devtools.fakes.chat_server import ChatServer

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


class Talker(ChatServer):
    """Keeps what it is asked and says one of ``says`` a question; refuses fields as ``refuse`` words it."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []
        self.says: list[str] = []
        self.refuse: dict[str, str] = {}

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        for name, words in self.refuse.items():
            if name in body:
                return web.json_response({"error": {"message": words}}, status=400)
        self.bodies.append(body)
        return await self._stream(request, self.says.pop(0))


@pytest.fixture
def talker(endpoints: Callable[..., None]) -> Iterator[Talker]:
    with Talker() as server:
        endpoints(studio={"urls": [server.url]})
        yield server


def ask(images: Any, **options: Any) -> list[Any]:
    given = {"task": "custom", "prompt": "What differs?", **options}
    return list(open_remote("studio").read(images, ReadOptions(**given), NoProgress()))


def kinds(message: dict[str, Any]) -> list[str]:
    content = message["content"]
    return [content] if isinstance(content, str) else [part.get("text", "a picture") for part in content]


def test_several_pictures_are_one_request_and_each_has_its_places(
    talker: Talker, pictures: Callable[..., list[Any]]
) -> None:
    talker.says = ['[{"image": 1, "bbox_2d": [0, 0, 500, 500]}, {"image": 3, "bbox_2d": [0, 0, 100, 100]}]']
    pages = ask(iter(pictures(3)), together=True)
    (body,) = talker.bodies
    shown = [part for at in (1, 2, 3) for part in (f"Picture {at}: ", "a picture")]
    assert kinds(body["messages"][0]) == [*shown, "What differs?"]
    assert [len(page.regions) for page in pages] == [1, 0, 1]
    assert [bool(page.text) for page in pages] == [True, False, False]


def test_a_conversation_is_sent_as_one_with_the_picture_in_its_first_turn(
    talker: Talker, pictures: Callable[..., list[Any]]
) -> None:
    talker.says = ["9.50"]
    (page,) = ask(pictures(1), history="system: Be short.\nuser: What is it?\nassistant: A bill.")
    messages = talker.bodies[0]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert kinds(messages[1]) == ["a picture", "What is it?"] and kinds(messages[3]) == ["What differs?"]
    assert page.text == "9.50"


def test_only_custom_draws_its_words(talker: Talker, pictures: Callable[..., list[Any]]) -> None:
    talker.says = ["a", "b"]
    hot = {"temperature": 0.8, "seed": 2**40 + 5}
    ask(pictures(1), **hot)
    ask(pictures(1), task="tags", **hot)
    drawn, greedy = talker.bodies
    assert (drawn["temperature"], drawn["seed"], drawn["top_p"]) == (0.8, 5, 0.95)
    assert greedy["temperature"] == 0 and "seed" not in greedy


@pytest.mark.parametrize(
    "refusal",
    [
        "",
        "response_format is not supported by this server",
        "json_schema is not supported, use json_object",
        "Unrecognized request argument supplied: response_format",
    ],
)
def test_json_is_asked_for_by_the_schema_and_checked_where_the_server_knows_none(
    talker: Talker, pictures: Callable[..., list[Any]], refusal: str
) -> None:
    talker.refuse = {"response_format": refusal} if refusal else {}
    talker.says = ['{"total": "much"}', '{"total": 9.5}']
    (page,) = ask(pictures(1), task="json", prompt="", json_schema=json.dumps(SCHEMA))
    assert json.loads(page.text) == {"total": 9.5}
    first, again = talker.bodies
    assert first.get("response_format", {}).get("json_schema", {}).get("schema") == (
        None if refusal else SCHEMA
    )
    assert [message["role"] for message in again["messages"]] == ["user", "assistant", "user"]
    assert kinds(again["messages"][0])[0] == "a picture"


@pytest.mark.parametrize(
    "refusal",
    [
        "At most 1 image(s) may be provided in one request.",
        "At most 2 image(s) may be provided in one prompt.",
        "You set image=2 (or defaulted to 1) in `--limit-mm-per-prompt`, but passed 3 image items.",
        "vision model only supports a single image per message",
    ],
)
def test_a_server_that_takes_fewer_pictures_is_told_apart_from_one_that_takes_none(
    talker: Talker, pictures: Callable[..., list[Any]], refusal: str
) -> None:
    talker.refuse = {"messages": refusal}
    with pytest.raises(VramwiseError, match="fewer pictures in one question than these"):
        ask(pictures(3), together=True)


def test_a_question_about_no_picture_asks_nobody(talker: Talker) -> None:
    assert ask([], together=True) == [] and talker.bodies == []


CUSTOM = ("--endpoint", "studio", "--task", "custom")

# --- on the command line ----------------------------------------------------------------------------------


@pytest.fixture
def bills(tmp_path: Path, pictures: Callable[..., list[Any]]) -> list[str]:
    """The names of three pictures in files."""
    names = [str(tmp_path / f"bill_{at}.png") for at in range(3)]
    for name, pixels in zip(names, pictures(3), strict=True):
        Image.fromarray(pixels).save(name)
    return names


def test_a_conversation_goes_on_in_its_file(
    talker: Talker, bills: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = tmp_path / "talk.txt"
    command = ["ocr", bills[0], *CUSTOM, "--history", str(talk)]
    talker.says = ["A bill.\nOf May.", "9.50"]
    assert main([*command, "--prompt", "What is it?"]) == 0
    assert main([*command, "--prompt", "Its total?", "--temperature", "0,5", "--seed", "4"]) == 0
    assert [message["role"] for message in talker.bodies[1]["messages"]] == ["user", "assistant", "user"]
    assert (talker.bodies[1]["temperature"], talker.bodies[1]["seed"]) == (0.5, 4)
    assert talk.read_text(encoding="utf-8").splitlines() == [
        "user: What is it?", "assistant: A bill.", "  Of May.", "user: Its total?", "assistant: 9.50",
    ]  # fmt: skip
    assert capsys.readouterr().out == "A bill.\nOf May.\n9.50\n"


def test_together_prints_one_answer(
    talker: Talker, bills: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talker.says = ["The third is larger."]
    command = [
        "ocr",
        *bills,
        "--endpoint",
        "studio",
        "--task",
        "custom",
        "--prompt",
        "Compare.",
        "--together",
    ]
    assert main(command) == 0
    assert capsys.readouterr().out == "The third is larger.\n" and len(talker.bodies) == 1
    with pytest.raises(SystemExit) as ended:
        main([*command, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2, "wrong usage"
    assert "leave out --out" in capsys.readouterr().err
    Path(bills[1]).write_bytes(b"no picture")
    assert main(command) == 1
    assert "bill_1.png" in capsys.readouterr().err and len(talker.bodies) == 1


def test_a_schema_is_a_file_or_stands_in_the_command(
    talker: Talker, bills: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["ocr", bills[0], "--endpoint", "studio", "--task", "json", "--json-schema"]
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA), encoding="utf-8")
    for given in (str(file), json.dumps(SCHEMA)):
        talker.says = ['{"total": 9.5}']
        assert main([*command, given]) == 0
        assert json.loads(capsys.readouterr().out) == {"total": 9.5}
    assert main([*command, "lost.json"]) == 1
    assert "There is no file lost.json" in capsys.readouterr().err


def test_a_history_of_several_answers_is_left_alone(
    talker: Talker, bills: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talker.says = ["a", "b"]
    talk = tmp_path / "talk.txt"
    command = ["ocr", *bills[:2], *CUSTOM, "--prompt", "What?"]
    assert main([*command, "--history", str(talk)]) == 1
    assert "one by one" in capsys.readouterr().err and not talk.exists()
