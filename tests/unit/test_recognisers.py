"""Fetching a recogniser: only by the machine's consent, resumed, verified, never half written."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from vramwise import catalog, panel_data
from vramwise.cancel import cancellable
from vramwise.catalog import Recogniser, language
from vramwise.catalog.words import in_language
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.ocr.engines.language_routing import RapidRoute, TesseractRoute, rapid_route, tesseract_route
from vramwise.settings import Settings
from vramwise.weights import background_downloads, download, find, searched_folders
from vramwise.weights import recognisers as module
from vramwise.weights.background_downloads import Downloads
from vramwise.weights.locks import only_writer

from devtools.fakes import lies
from devtools.fakes.raw_server import saying

CONTENT = bytes(range(256)) * 4000


class Hub(http.server.BaseHTTPRequestHandler):
    """A loopback file server that can drop the connection, send other bytes, or refuse ranges."""

    drop_after: int | None = None
    content = CONTENT
    ranges: list[str | None] = []  # noqa: RUF012

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        Hub.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(self.content):
            self.send_error(416)
            return
        body = self.content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if Hub.drop_after is None else body[: Hub.drop_after])

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.drop_after, Hub.content, Hub.ranges = None, CONTENT, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/mirror"
    server.shutdown()


@pytest.fixture
def row() -> Recogniser:
    return replace(catalog.recogniser("eslav"), sha256=hashlib.sha256(CONTENT).hexdigest())


def settings(tmp_path: Path, mirror: str | None = None, **changes: object) -> Settings:
    places = Places(user_dir=tmp_path / "user", models_dirs=(tmp_path / "models",))
    return Settings(places=places, download_mirror=mirror, **changes)  # type: ignore[arg-type]


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "models").rglob("*") if path.is_file())


def test_a_download_lands_under_its_name_and_is_found(tmp_path: Path, hub: str, row: Recogniser) -> None:
    machine = settings(tmp_path, hub)
    seen: list[tuple[int, int | None]] = []
    path = download(row, machine, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT and files(tmp_path) == [row.file]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert find(row, machine) == path
    download(row, machine)
    assert len(Hub.ranges) == 1, "a present file is not fetched again"


def test_a_broken_download_is_kept_and_resumed(tmp_path: Path, hub: str, row: Recogniser) -> None:
    machine = settings(tmp_path, hub)
    Hub.drop_after = 300_000
    with pytest.raises(VramwiseError, match="the next try goes on from there"):
        download(row, machine)
    assert files(tmp_path) == [f"{row.file}.part"] and find(row, machine) is None
    Hub.drop_after = None
    assert download(row, machine).read_bytes() == CONTENT
    assert Hub.ranges[0] is None and Hub.ranges[1] is not None and int(Hub.ranges[1][6:-1]) > 0
    assert files(tmp_path) == [row.file]


@pytest.mark.parametrize("lang", ["en", "ru", "zh"])
def test_a_broken_download_says_how_far_it_came_and_not_in_a_librarys_words(
    tmp_path: Path, hub: str, row: Recogniser, lang: str
) -> None:
    Hub.drop_after = 300_000
    with pytest.raises(VramwiseError) as broken:
        download(row, settings(tmp_path, hub))
    told = in_language(broken.value, lang)
    (kept,) = (tmp_path / "models").rglob("*.part")
    assert "IncompleteRead" not in told and "Connection broken" not in told
    plain = re.sub(r"(?<=\d)[ ,\u00a0\u202f](?=\d)", "", told)  # marks of thousands
    assert f"{kept.stat().st_size}" in plain and f"{len(CONTENT)}" in plain, told
    assert lang == "en" or "the connection ended" not in told


def test_other_bytes_than_the_catalogs_are_thrown_away(tmp_path: Path, hub: str, row: Recogniser) -> None:
    Hub.content = CONTENT[:-1] + b"!"
    with pytest.raises(VramwiseError, match="SHA-256 differs"):
        download(row, settings(tmp_path, hub))
    assert files(tmp_path) == []


def test_a_full_disk_is_noticed_before_the_first_byte(
    tmp_path: Path, hub: str, row: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(VramwiseError, match="has 0 MB free"):
        download(row, settings(tmp_path, hub))
    assert files(tmp_path) == []


def test_an_unreachable_host_is_a_sentence_with_the_folder_to_put_it_by_hand(
    tmp_path: Path, row: Recogniser
) -> None:
    with pytest.raises(VramwiseError, match="fetch it by hand and put it into"):
        download(row, settings(tmp_path, "http://127.0.0.1:9"))


def test_the_hosts_cancel_is_heard_while_a_mirror_is_silent(tmp_path: Path, row: Recogniser) -> None:
    class Cancelled(Exception):
        pass

    def check() -> None:
        if silent.asked:
            raise Cancelled

    with (
        saying(lambda *_: lies.silence()) as silent,
        cancellable(check),
        pytest.raises(Cancelled),
    ):
        download(row, settings(tmp_path, silent.url))
    assert files(tmp_path) == []


def test_two_processes_do_not_write_one_recogniser(tmp_path: Path, hub: str, row: Recogniser) -> None:
    machine = settings(tmp_path, hub)
    lock = searched_folders(machine)[0] / f".{row.file}.lock"
    with only_writer(lock, "x"), pytest.raises(VramwiseError, match="is being written by process"):
        download(row, machine)
    assert download(row, machine).read_bytes() == CONTENT


def test_a_damaged_recogniser_is_named_not_loaded(tmp_path: Path, row: Recogniser) -> None:
    machine = settings(tmp_path)
    folder = searched_folders(machine)[0]
    folder.mkdir(parents=True)
    (folder / row.file).write_bytes(CONTENT[:1000])
    with pytest.raises(VramwiseError, match="download eslav"):
        find(row, machine)


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    from vramwise.hardware import capabilities

    monkeypatch.setattr(
        capabilities, "tesseract", lambda: capabilities.Capability(False, "tesserocr is not installed")
    )


@pytest.fixture
def eslav_is(monkeypatch: pytest.MonkeyPatch, row: Recogniser) -> None:
    from vramwise.ocr.engines import language_routing

    monkeypatch.setattr(language_routing, "recogniser", lambda _: row)


@pytest.mark.usefixtures("no_tesseract")
def test_without_a_reader_russian_is_refused_with_both_ways_to_mend_it(tmp_path: Path, hub: str) -> None:
    with pytest.raises(VramwiseError) as caught:
        rapid_route(language("ru"), settings(tmp_path, hub))
    assert "download eslav" in str(caught.value) and "tesserocr is not installed" in str(caught.value)
    assert Hub.ranges == [], "nothing was fetched"


@pytest.mark.usefixtures("no_tesseract", "eslav_is")
def test_the_machines_consent_fetches_the_recogniser_and_only_it_does(tmp_path: Path, hub: str) -> None:
    with pytest.raises(VramwiseError):
        rapid_route(language("ru"), settings(tmp_path, hub))
    route = rapid_route(language("ru"), settings(tmp_path, hub, allow_downloads=True))
    assert isinstance(route, RapidRoute) and route.recogniser is not None and route.recogniser.is_file()


@pytest.mark.usefixtures("eslav_is")
def test_pp_ocrs_own_recogniser_goes_before_tesseract(tmp_path: Path, hub: str, row: Recogniser) -> None:
    machine = settings(tmp_path, hub)
    path = download(row, machine)
    assert rapid_route(language("ru"), machine) == RapidRoute(path)


def test_english_and_chinese_need_nothing(tmp_path: Path) -> None:
    for code in ("en", "zh", "ja", "de"):
        assert rapid_route(language(code), settings(tmp_path)) == RapidRoute()


def test_traineddata_is_taken_from_where_the_person_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise.hardware import capabilities

    monkeypatch.setattr(capabilities, "tesseract", lambda: capabilities.Capability(True, "here"))
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("kat", "eng"):
        (mine / f"{name}.traineddata").write_bytes(b"x")
    route = tesseract_route([language("ka")], settings(tmp_path, tessdata_dirs=(mine,)))
    assert route == TesseractRoute(mine, ("kat", "eng"))


def test_missing_traineddata_names_the_file_the_folders_and_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise.hardware import capabilities

    monkeypatch.setattr(capabilities, "tesseract", lambda: capabilities.Capability(True, "here"))
    with pytest.raises(VramwiseError) as caught:
        tesseract_route([language("hy")], settings(tmp_path))
    said = str(caught.value)
    assert (
        "hye.traineddata" in said and str(tmp_path / "models" / "tessdata") in said and "tessdata_dir" in said
    )


# --- the button ---------------------------------------------------------------------------------------------


@pytest.fixture
def pressed(
    tmp_path: Path, hub: str, row: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[Downloads, dict[str, Any]]]:
    """Press the button of eslav, wait for its end: the downloads, and what the panel then says of it."""
    machine = settings(tmp_path, hub)
    for place in (background_downloads, panel_data):
        monkeypatch.setattr(place, "load_settings", lambda: machine)
        monkeypatch.setattr(place, "recognisers", lambda: (row,))

    def press() -> tuple[Downloads, dict[str, Any]]:
        downloads = Downloads()
        (before,) = panel_data.recognisers_answer(downloads)
        assert (before["state"], before["languages"]) == (before["state"], ["ru", "uk", "be"])
        downloads.start("eslav")
        for thread in threading.enumerate():
            if thread.name == "vramwise-eslav":
                thread.join(60)
        (after,) = panel_data.recognisers_answer(downloads, "ru")
        return downloads, after

    return press


def test_the_button_brings_a_recogniser_and_nothing_else_does(
    pressed: Callable[[], tuple[Downloads, dict[str, Any]]], tmp_path: Path
) -> None:
    assert Hub.ranges == [] and files(tmp_path) == []
    _, found = pressed()
    assert (found["state"], found["download"]["state"]) == ("here", "done")
    assert found["download"]["done_bytes"] == len(CONTENT)


def test_a_damaged_recogniser_is_said_to_be_and_replaced_by_the_button(
    pressed: Callable[[], tuple[Downloads, dict[str, Any]]], tmp_path: Path, row: Recogniser
) -> None:
    path = searched_folders(settings(tmp_path))[0] / row.file
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:1000])
    (found,) = panel_data.recognisers_answer(Downloads())
    assert found["state"] == "damaged"
    _, found = pressed()
    assert (found["state"], path.read_bytes()) == ("here", CONTENT)


def test_other_bytes_leave_a_sentence_in_the_readers_language_and_no_file(
    pressed: Callable[[], tuple[Downloads, dict[str, Any]]], tmp_path: Path
) -> None:
    Hub.content = b"x" * len(CONTENT)
    _, found = pressed()
    assert (found["state"], found["download"]["state"]) == ("absent", "failed")
    assert re.search("[\u0430-\u044f]{4}", found["download"]["error"]) and files(tmp_path) == []


def test_a_second_try_that_fails_in_the_same_words_has_another_time(
    pressed: Callable[[], tuple[Downloads, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    Hub.content = b"x" * len(CONTENT)
    clock = iter((1000.0, 1002.5))
    monkeypatch.setattr(background_downloads, "time", SimpleNamespace(time=lambda: next(clock)))
    first, second = (pressed()[1]["download"] for _ in range(2))
    assert first["error"] == second["error"]
    assert (first["ended"], second["ended"]) == (1000.0, 1002.5)


def test_the_owner_can_switch_the_button_off_for_recognisers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = settings(tmp_path, download_button=False)
    monkeypatch.setattr(background_downloads, "load_settings", lambda: off)
    with pytest.raises(VramwiseError, match="switched off on this machine"):
        Downloads().start("eslav")
