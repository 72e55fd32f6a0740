"""A folder read through an endpoint: killed, left alone by its server, with a file that is none."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from vramwise.cli import main
from vramwise.jobs import JobOptions, run_job
from vramwise.ocr.images import load_picture
from vramwise.ocr.remote import EndpointError, resolve
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.image_encoding import encode
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.settings import load_settings

from devtools.fakes.chat_server import MODEL, ChatServer, words_of
from tests.jobs.killing import VRAMWISE, entries_of, finish, kill_after_more, outputs, wait_for_more

PAGES, KILLS, AT_ONCE = 150, 6, 4
# A server that is gone is given up within a second instead of minutes; one that is slow is waited for.
QUICK = RetryPolicy(timeout=120.0, tries=3, first_wait=0.02, longest_wait=0.1)


class Rationed(ChatServer):
    """Answers no more than so many pages, and leaves what is asked beyond that unanswered."""

    def __init__(self, pages: int = 10**6, port: int = 0) -> None:
        super().__init__(0.03, port)
        self.pages, self.answers = pages, 0

    async def turn(self) -> None:
        await super().turn()
        while self.answers >= self.pages:
            await asyncio.sleep(0.005)
        self.answers += 1


class Scans(NamedTuple):
    """A folder of pictures, the last one broken, with what a server says of each and where it says so."""

    folder: Path
    said: dict[str, str]
    texts: dict[str, bytes]

    def page(self, name: str) -> str:
        return f"{(self.folder / name).as_posix()}#1"


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Scans:
    import numpy as np
    from PIL import Image

    require(find_spec("openai"), "The package openai is missing: python -m pip install openai.")
    folder, chance = tmp_path_factory.mktemp("scans"), np.random.default_rng(7)
    for number in range(PAGES):
        noise = chance.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"page_{number}.png")
    (folder / "page_z.png").write_bytes(b"no picture")
    said = {
        f"page_{number}": words_of(encode(load_picture(folder / f"page_{number}.png"), 10**7, "png")[0])
        for number in range(PAGES)
    }
    return Scans(folder, said, {f"{name}.txt": f"{words}\n".encode() for name, words in said.items()})


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rationed]:
    """A server behind the name studio, in a config.yaml that child processes see too."""
    with Rationed() as server:
        _configure(tmp_path, monkeypatch, server)
        yield server


def _configure(folder: Path, monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> None:
    entry = {"urls": [server.url], "concurrency": AT_ONCE}
    (folder / "config.yaml").write_text(json.dumps({"endpoints": {"studio": entry}}), encoding="utf-8")
    monkeypatch.setenv("VRAMWISE_CONFIG", str(folder / "config.yaml"))


def _job(scans: Scans, out: Path, *more: str) -> list[str]:
    return ["ocr", str(scans.folder), "--endpoint", "studio", "--out", str(out), *more]


def _finished(scans: Scans, manifest: Path) -> set[str]:
    """What the server said of the pages that the manifest calls read."""
    read = [Path(entry["output"]).stem for entry in entries_of(manifest) if not entry["error"]]
    assert len(read) == len(set(read)), "a page was read twice"
    return {scans.said[name] for name in read}


@pytest.mark.slow
def test_six_kills_change_nothing_and_no_finished_page_is_sent_again(
    scans: Scans, studio: Rationed, tmp_path: Path
) -> None:
    chance, out = random.Random(7), tmp_path / "hunted"
    manifest = out / "manifest.jsonl"
    command = [*VRAMWISE, *_job(scans, out, "--resume")]
    sent: dict[str, int] = {}
    for _ in range(KILLS):
        more, moment = chance.randint(1, 10), chance.random() * 0.05
        studio.pages = studio.answers + more + AT_ONCE
        kill_after_more(command, manifest, more, moment)
        assert {words: studio.pictures[words] for words in sent} == sent
        sent = {words: studio.pictures[words] for words in _finished(scans, manifest)}
    assert 0 < len(sent) < PAGES, "the kills came too early or too late to show anything"
    studio.pages = 10**6
    said = finish(command, code=3)
    assert {words: studio.pictures[words] for words in sent} == sent
    assert sum(studio.pictures.values()) <= PAGES + KILLS * 2 * AT_ONCE, "the window of each kill, no more"
    assert outputs(out) == scans.texts
    assert {path.name for path in out.iterdir()} == {*scans.texts, "manifest.jsonl"}
    *_, bad, total = said.splitlines()
    assert bad.startswith(f"vramwise: {scans.page('page_z.png')}: ") and "cannot be read as a picture" in bad
    assert total.startswith(f"{PAGES} pages in {out}, {len(sent)} of them before; 1 failed.")


@pytest.mark.parametrize(
    ("form", "ending"), [("text", "txt"), ("markdown", "md"), ("json", "json"), ("hocr", "hocr")]
)
def test_every_form_holds_what_the_server_said(
    form: str,
    ending: str,
    scans: Scans,
    studio: ChatServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main(_job(scans, out, "--format", form)) == 3, "one file is no picture"
    assert "page_z.png#1: " in capsys.readouterr().err.splitlines()[-2]
    assert {path.name for path in out.iterdir()} == {
        *(f"{name}.{ending}" for name in scans.said),
        "manifest.jsonl",
    }
    for name, words in scans.said.items():
        written = (out / f"{name}.{ending}").read_text(encoding="utf-8")
        assert _read(form, written, scans.page(f"{name}.png")) == words
    assert set(studio.pictures.values()) == {1}
    assert main(_job(scans, out, "--format", form, "--resume")) == 3
    assert set(studio.pictures.values()) == {1}, "only the file that is no picture was looked at again"


def _read(form: str, written: str, page: str) -> str:
    """The text of one output file."""
    if form == "json":
        record = json.loads(written)
        assert (record["page"], record["width"], record["height"]) == (page, 64, 48)
        return str(record["text"])
    if form == "hocr":
        root = ElementTree.fromstring(written)  # noqa: S314 - our own
        whole = next(node for node in root.iter() if node.get("class") == "ocr_page")
        assert whole.get("title") == f'image "{page}"; bbox 0 0 64 48'
        return " ".join("".join(whole.itertext()).split())
    return written.strip()


@pytest.mark.slow
def test_a_server_that_is_restarted_in_the_middle_is_waited_for(
    scans: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with Rationed(pages=40) as before:
        _configure(tmp_path, monkeypatch, before)
        process = subprocess.Popen([*VRAMWISE, *_job(scans, out)], stderr=subprocess.PIPE)
        wait_for_more(process, out / "manifest.jsonl", 12)
    with ChatServer(0.03, port=before.port) as after:
        _, said = process.communicate(timeout=300)
    assert process.returncode == 3, said.decode()
    assert outputs(out) == scans.texts
    asked = before.pictures + after.pictures
    assert set(asked) == set(scans.said.values())
    twice = {words for words, count in asked.items() if count > 1}
    assert len(twice) <= AT_ONCE, "only what was under way is asked for again"
    assert 0 < len(after.pictures) < PAGES


def test_a_server_that_stays_away_stops_the_job_with_a_sentence_and_resume_finishes_it(
    scans: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    job = JobOptions("studio")

    def run(progress: Any = None) -> Any:
        reader = RemoteEngine(resolve("studio", load_settings()), "", MODEL, "auto", AT_ONCE, QUICK)
        return run_job([str(scans.folder)], out, reader, job, resume=True, progress=progress)

    with ChatServer(0.03) as before:
        _configure(tmp_path, monkeypatch, before)

        def leave(done: int, total: int | None, entry: object) -> None:
            if done == 20:
                before.stop()

        with pytest.raises(EndpointError, match=r"cannot be reached.*Check that the server runs") as stopped:
            run(leave)
        assert f"127.0.0.1:{before.port}" in str(stopped.value)
    finished = _finished(scans, out / "manifest.jsonl")
    assert 20 <= len(finished) < PAGES
    with ChatServer(0.03, port=before.port) as after:
        report = run()
    assert (report.read, report.before, len(report.failed)) == (PAGES + 1 - len(finished), len(finished), 1)
    assert outputs(out) == scans.texts
    assert not finished & set(after.pictures), "no finished page was sent again"
