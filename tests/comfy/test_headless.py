"""docs/headless.md: every piece of code in it is taken out and run as it stands,
with the browser's part of the pack and with that deleted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from devtools.waiting import soon

if TYPE_CHECKING:
    from PIL import Image

    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import ComfyServer

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "headless.md").read_text(encoding="utf-8")
PIECES = {
    name: (language, code)
    for name, language, code in re.findall(r"<!-- run: (\S+) -->\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)
}
WAITING = ("curl", "python", "many")  # comfy-cli knows by itself when to give up
ReadText = Callable[[], dict[str, dict[str, Any]]]
TOOLS = Path(os.environ.get("VRAMWISE_TEST_TOOLS", ROOT / ".comfy"))  # set by `dev.py test --newest`
CLI = TOOLS / "venv-comfy-cli" / ("Scripts" if os.name == "nt" else "bin")

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def webless(
    comfy: ComfyServer, tmp_path_factory: pytest.TempPathFactory, bytecode: dict[str, str | None]
) -> Iterator[ComfyServer]:
    """A server with a copy of the pack as it is installed, in which web/ is deleted."""
    from devtools.comfy.server import ComfyServer

    pack = tmp_path_factory.mktemp("webless") / "vramwise"
    pack.mkdir()
    shutil.copy(ROOT / "__init__.py", pack)
    for part in ("core", "nodes", "locales", "assets", "workflows", "subgraphs"):
        shutil.copytree(ROOT / part, pack / part, ignore=shutil.ignore_patterns("__pycache__"))
    with ComfyServer(pack=pack, env=bytecode) as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="module", params=["with web", "web deleted"])
def client(request: pytest.FixtureRequest) -> ComfyClient:
    from devtools.comfy.client import ComfyClient

    return ComfyClient(request.getfixturevalue("webless" if request.param == "web deleted" else "comfy").url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the page expects it."""
    shutil.copyfile(ROOT / "workflows" / "api" / "read_text.json", tmp_path / "read_text.json")
    shutil.copyfile(ROOT / "assets" / "vramwise_sample.png", tmp_path / "page.png")
    return tmp_path


def call(name: str, folder: Path, client: ComfyClient) -> dict[str, Any]:
    """What ``subprocess`` is told to run the piece ``name`` in ``folder``."""
    language, code = PIECES[name]
    where = urlsplit(client.url)
    environment = {
        **os.environ,
        "COMFY": client.url,
        "COMFY_HOST": str(where.hostname),
        "COMFY_PORT": str(where.port),
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "DO_NOT_TRACK": "1",
        "PATH": f"{CLI}{os.pathsep}{os.environ['PATH']}",
    }
    command = (
        [sys.executable, "-c", code] if language == "python" else ["bash", "-euo", "pipefail", "-c", code]
    )
    return {"args": command, "cwd": folder, "env": environment, "text": True, "encoding": "utf-8"}


def run(name: str, folder: Path, client: ComfyClient) -> str:
    """What the piece ``name`` prints; it fails the test when it fails."""
    done = subprocess.run(**call(name, folder, client), capture_output=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_has_the_pieces_that_are_run_here() -> None:
    assert set(PIECES) == {"curl", "python", "comfy-cli", "many"}
    fenced = len(re.findall(r"^```\w+$", PAGE, re.MULTILINE))
    assert fenced == len(PIECES), "a piece of code on the page is run by nobody"


def test_curl_uploads_queues_and_gets_the_text(
    folder: Path, client: ComfyClient, sample_text: str, require: Callable[[object, str], None]
) -> None:
    require(shutil.which("curl"), "curl is missing: on Debian, apt install curl.")
    run("curl", folder, client)
    (entry,) = json.loads((folder / "history.json").read_text(encoding="utf-8")).values()
    (ocr,) = (shown for shown in entry["outputs"].values() if "ocr" in shown)
    assert ocr["text"] == [sample_text]


def test_python_hears_the_end_over_the_websocket(folder: Path, client: ComfyClient, sample_text: str) -> None:
    assert run("python", folder, client).startswith(sample_text + "\n")


def test_comfy_cli_completes_and_the_text_is_in_the_history(
    folder: Path, client: ComfyClient, sample_text: str, require: Callable[[object, str], None]
) -> None:
    require((CLI / "comfy").exists(), "comfy-cli is missing: `python dev.py test` puts it into .comfy.")
    said = [
        json.loads(line) for line in run("comfy-cli", folder, client).splitlines() if line.startswith("{")
    ]
    assert said[-1]["ok"] is True, said[-1]
    history = client.request("/history?max_items=1").json
    (entry,) = history.values()
    assert entry["status"]["completed"]
    assert [sample_text] in [shown.get("text") for shown in entry["outputs"].values()]


def test_many_pictures_are_queued_and_each_text_lies_beside_its_picture(
    folder: Path, client: ComfyClient, draw: Callable[..., Image.Image]
) -> None:
    (folder / "pictures").mkdir()
    words = ["first one", "second one", "third one"]
    for number, text in enumerate(words):
        draw([text]).save(folder / "pictures" / f"headless_{number}.png")
    run("many", folder, client)
    read = [path.read_text(encoding="utf-8").strip() for path in sorted((folder / "pictures").glob("*.txt"))]
    assert read == words


@pytest.mark.parametrize("name", WAITING)
def test_a_refused_prompt_is_shown_and_ends_the_piece(
    name: str, folder: Path, client: ComfyClient, read_text: ReadText, draw: Callable[..., Image.Image]
) -> None:
    refused = read_text()
    refused["3"]["inputs"]["precision"] = "bf15"
    (folder / "read_text.json").write_text(json.dumps(refused), encoding="utf-8")
    (folder / "pictures").mkdir()
    draw(["never read"]).save(folder / "pictures" / "headless_refused.png")
    done = subprocess.run(**call(name, folder, client), capture_output=True, timeout=600)
    assert done.returncode == 1
    assert "bf15" in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_with_web_deleted_no_line_of_the_log_complains_about_the_pack(
    webless: ComfyServer, read_text: ReadText, sample_text: str
) -> None:
    from devtools.comfy.client import ComfyClient
    from devtools.comfy.server import pack_import_problem

    client = ComfyClient(webless.url)
    assert client.request("/extensions/vramwise/vramwise.js").status == 404
    result = client.run(read_text())
    assert result.ok and result.outputs["4"]["text"] == [sample_text]
    assert pack_import_problem(webless.log) == ""
    said = [line for line in webless.log.splitlines() if "vramwise" in line.lower()]
    assert [line for line in said if re.search(r"error|warning|failed", line, re.IGNORECASE)] == []


def test_a_server_that_ends_while_they_wait_ends_every_piece(
    webless: ComfyServer, folder: Path, read_text: ReadText, draw: Callable[..., Image.Image]
) -> None:
    """The last one here: it is this file's server that ends."""
    from devtools.comfy.client import ComfyClient

    (folder / "pictures").mkdir()
    draw(["never read"]).save(folder / "pictures" / "headless_lost.png")
    with contextlib.ExitStack() as stack:
        client = ComfyClient(webless.url)
        before_them = read_text()
        for number in range(300):  # minutes of work, so that theirs stay in the queue
            before_them["4"]["inputs"]["prompt"] = f"number {number}"
            assert client.post_prompt(before_them).status == 200
        pieces = {}
        for name in WAITING:
            pieces[name] = subprocess.Popen(
                **call(name, folder, client), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            stack.callback(pieces[name].kill)

        def all_wait() -> bool:
            assert all(piece.poll() is None for piece in pieces.values())
            return len(waiting_clients(client)) == 1 + len(pieces)

        soon(all_wait)
        webless.stop()
        said = {name: piece.communicate(timeout=600)[1] for name, piece in pieces.items()}
    assert {name: piece.returncode for name, piece in pieces.items()} == dict.fromkeys(WAITING, 1)
    assert "curl: (" in said["curl"]
    assert said["python"] == "The server has ended. Start it again, then this.\n"
    assert said["many"] == "The server has ended. Pictures not read: 1\n"


def waiting_clients(client: ComfyClient) -> set[str]:
    """Whose prompts are in the queue."""
    return {entry[3]["client_id"] for entry in client.request("/queue").json["queue_pending"]}
