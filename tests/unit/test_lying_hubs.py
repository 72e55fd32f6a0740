"""A hub that lies: a sentence or the right model, and nothing half-written is ever taken for whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vramwise.errors import VramwiseError
from vramwise.network.addresses import INTERNET, LOCAL_NETWORK, THIS_MACHINE, AddressRefused, check_peer
from vramwise.settings import Settings
from vramwise.weights import download_model, file_transfer, hub_listing, locate

from devtools.fakes import lies
from devtools.fakes.lying_hub import COMMIT, FILES, MODEL, SHARDS, Hub, listing, looking, siblings
from devtools.fakes.raw_server import RawServer, answer, saying
from devtools.liars import (
    fetching,
    folder,
    kill_downloads,
    machine_of,
    nothing_is_half,
    spoiled_answers,
    spoiled_listings,
)

pytestmark = pytest.mark.slow

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - no real one


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(file_transfer, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr("vramwise.weights.model_download.TRIES", 2)


@pytest.fixture
def machine(tmp_path: Path) -> Settings:
    return machine_of(tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """For lies that never end; ``undo`` it before an honest answer, which may take its time."""
    with monkeypatch.context() as patch:
        patch.setattr(file_transfer, "STALL_SECONDS", 1.0)
        patch.setattr(hub_listing, "_QUIET_SECONDS", 1.0)
        patch.setattr(hub_listing, "LISTING_SECONDS", 1.5)
        yield patch


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hub, RawServer]]:
    how = Hub()
    with saying(how) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield how, server


def told_or_whole(tmp_path: Path, machine: Settings) -> str:
    """Fetch; the sentence, "" for a whole model. Then an honest hub brings it in any case."""
    try:
        download_model(MODEL, machine)
    except VramwiseError as error:
        said = str(error)
    else:
        said = ""
    nothing_is_half(tmp_path, machine)
    assert TOKEN not in said and len(said) < 900 and "Traceback" not in said and " at 0x" not in said
    return said


@pytest.mark.parametrize("where", ["listing", "file"])
def test_a_lie_is_a_sentence_and_an_honest_hub_heals(
    where: str, tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer], impatient: pytest.MonkeyPatch
) -> None:
    how, _ = hub
    for name in sorted(lies.ANYWHERE, key=lambda name: name not in lies.UNENDING):
        if name not in lies.UNENDING:
            impatient.undo()
        how.lies = {where: lies.ANYWHERE[name]}
        assert told_or_whole(tmp_path, machine), name
    how.lies = {}
    assert told_or_whole(tmp_path, machine) == "" and locate(MODEL, machine)


def entry(name: str, **changes: Any) -> list[dict[str, Any]]:
    return [*siblings(), {"rfilename": name, "size": 2, "blobId": "0" * 40, **changes}]


def shard(**changes: Any) -> list[dict[str, Any]]:
    return [{**one, **changes} if one["rfilename"] == SHARDS[0] else one for one in siblings()]


LISTINGS: dict[str, tuple[Any, str]] = {
    "nothing": ({"siblings": None}, "has no config.json"),
    "a text": ({"siblings": "files"}, "has no config.json"),
    "numbers": ({"siblings": [1, 2]}, "no list of files"),
    "too many": ({"siblings": [{}] * 6000}, "6000 entries"),
    "a name twice": ({"siblings": entry("config.json")}, "config.json twice"),
    "a name twice on Windows": ({"siblings": entry("Config.JSON")}, "twice"),
    "a long name": ({"siblings": entry("x" * 300 + ".json")}, "too long a name"),
    "a path in the hash": ({"siblings": shard(lfs={"sha256": "../../../../evil"})}, "SHA-256 that is none"),
    "a number as hash": ({"siblings": shard(lfs={"sha256": 7})}, "SHA-256 that is none"),
    "no size and no hash": ({"siblings": shard(size=None, lfs=None)}, "neither a size nor a hash"),
    "a negative size": ({"siblings": shard(size=-1)}, "a size that is none"),
    "a fraction": ({"siblings": shard(size=1.5)}, "a size that is none"),
    "more than there is": ({"siblings": shard(size=1 << 62)}, "a size that is none"),
    "true": ({"siblings": shard(size=True)}, "a size that is none"),
    "an exabyte": ({"siblings": shard(size=1 << 49)}, "free"),
    "a size as text": ({"siblings": shard(size=str(len(FILES[SHARDS[0]])))}, ""),
    "a list for lfs": ({"siblings": shard(lfs=["a"])}, ""),
    "another commit": ({"sha": "f" * 40}, "commit f{40} where"),
    "no commit": ({"sha": {"a": 1}}, "where"),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_is_not_believed(
    name: str, tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer]
) -> None:
    import re

    changes, says = LISTINGS[name]
    hub[0].lies = {"listing": listing(**changes)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.unit.test_lying_hubs.MODEL", replace(MODEL, revision=COMMIT))
        found = told_or_whole(tmp_path, machine)
    assert re.search(says, found) if says else found == ""


@pytest.mark.parametrize(
    "name", ["con.json", "NUL.txt", "com1.model", "../evil.json", "C:evil.json", "a\nb.json", "\u0430.json"]
)
def test_names_that_are_no_files_of_ours_are_passed_over(
    name: str, tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer]
) -> None:
    hub[0].lies = {"listing": listing(siblings=entry(name))}
    assert told_or_whole(tmp_path, machine) == ""


def test_no_answer_costs_what_has_arrived(
    tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer]
) -> None:
    anywhere = {name: lie for name, lie in lies.ANYWHERE.items() if name not in lies.UNENDING}
    how, server = hub
    right = FILES[SHARDS[0]]

    @looking
    def half(_: str, headers: dict[str, str]) -> Iterable[bytes]:
        return [answer(right)[:160_000]] if "range" not in headers else [answer(b"", "503 Busy")]

    how.lies = {SHARDS[0]: half}
    told_or_whole(tmp_path, machine)
    (part,) = folder(tmp_path).glob(f"{SHARDS[0]}.*.part")
    kept = part.stat().st_size
    assert kept > 65_536
    for name, lie in (*anywhere.items(), ("short", answer(b"x" * 10)), ("long", answer(right + b"x"))):
        how.lies = {SHARDS[0]: lie}
        assert told_or_whole(tmp_path, machine), name
        assert part.exists() and part.stat().st_size >= kept, f"{name} cost what had arrived"
        assert part.read_bytes() == right[: part.stat().st_size] or "drop" in name, name
        part.write_bytes(right[:kept])
    how.lies, server.headers = {}, []
    assert told_or_whole(tmp_path, machine) == ""
    assert f"bytes={kept}-" in [headers.get("range") for headers in server.headers]


@pytest.mark.parametrize(
    "lie", ["another place", "another total", "the whole", "no place", "other bytes", "other etag"]
)
def test_a_file_that_is_sent_in_odd_pieces_comes_out_right(
    lie: str, tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer]
) -> None:
    right, wrong = FILES[SHARDS[0]], bytes(len(FILES[SHARDS[0]]))
    asked: list[int] = []

    @looking
    def pieces(_: str, headers: dict[str, str]) -> Iterable[bytes]:
        start = int(headers.get("range", "bytes=0-")[6:-1])
        asked.append(start)
        if len(asked) == 1:  # the first line breaks
            first = wrong if lie == "other bytes" else right
            return [answer(first, ETag='"a"')[:160_000]]
        if lie == "another place" and start:
            return [answer(right[7:], "206 X", Content_Range=f"bytes 7-{len(right) - 1}/{len(right)}")]
        if lie == "another total" and start:
            return [
                answer(right[start:], "206 X", Content_Range=f"bytes {start}-{len(right)}/{len(right) + 1}")
            ]
        if lie == "the whole" or not start:
            return [answer(right, ETag='"b"')]
        if lie == "no place":
            return [answer(right[start:], "206 X")]
        place = f"bytes {start}-{len(right) - 1}/{len(right)}"
        return [
            answer(right[start:], "206 X", Content_Range=place, ETag='"b"' if lie == "other etag" else '"a"')
        ]

    hub[0].lies = {SHARDS[0]: pieces}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vramwise.weights.model_download.TRIES", 4)
        assert told_or_whole(tmp_path, machine) == ""
    assert (asked[-1] == 0) == (lie in ("another place", "another total", "other bytes"))


def test_without_a_hash_a_file_that_changes_in_the_middle_is_fetched_anew(tmp_path: Path) -> None:
    from vramwise.network.session import Session
    from vramwise.weights.file_transfer import RemoteFile, Server, fetch

    old, new = b"a" * 200_000, b"b" * 200_000

    def say(_: str, headers: dict[str, str], __: bytes) -> Iterable[bytes]:
        start = int(headers.get("range", "bytes=0-")[6:-1])
        if not start and len(server.asked) == 1:
            return [answer(old, ETag='"1"')[:150_000]]
        place = {"Content_Range": f"bytes {start}-{len(new) - 1}/{len(new)}"} if start else {}
        return [answer(new[start:], "206 X" if start else "200 OK", ETag='"2"', **place)]

    with saying(say) as server, Session() as session:
        target = tmp_path / "x.bin"
        file = RemoteFile("x.bin", len(new))
        fetch(server.url, file, tmp_path / "x.part", target, Server("l", "r", tries=4), session)
    assert target.read_bytes() == new


def test_cancel_is_heard_while_a_hub_drips(
    tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_transfer, "STALL_SECONDS", 600.0)
    monkeypatch.setattr(hub_listing, "_QUIET_SECONDS", 600.0)
    monkeypatch.setattr(hub_listing, "LISTING_SECONDS", 600.0)

    def slow() -> Iterable[bytes]:
        return lies.drip("application/octet-stream", len(FILES[SHARDS[1]]))

    for where in ("listing", "file"):
        for name in ("drop by drop", "silence", "a hundred continues", "headers without end"):
            looks = 0

            def stop(way: str = "/api/" if where == "listing" else "/resolve/") -> bool:
                nonlocal looks
                looks += any(way in path for path in hub[1].asked)
                return looks > 5

            hub[1].asked.clear()
            hub[0].lies = {where: slow if name == "drop by drop" else lies.ANYWHERE[name]}
            with pytest.raises(VramwiseError, match=r"was stopped|cannot be|could not be"):
                download_model(MODEL, machine, None, stop)
            assert looks <= 8, "a tenth of a second each"
            nothing_is_half(tmp_path, machine)


@pytest.mark.parametrize(
    ("host", "peer", "least", "good"),
    [
        ("hub.test", "169.254.169.254", THIS_MACHINE, False),
        ("hub.test", "::ffff:169.254.169.254", THIS_MACHINE, False),
        ("hub.test", "fe80::1%eth0", THIS_MACHINE, False),
        ("hub.test", "169.254.7.7", THIS_MACHINE, False),
        ("gpu1.local", "169.254.7.7", THIS_MACHINE, True),
        ("gpu1.local", "169.254.169.254", THIS_MACHINE, False),
        ("169.254.7.7", "169.254.7.7", THIS_MACHINE, True),
        ("169.254.169.254", "169.254.169.254", THIS_MACHINE, False),
        ("hub.test", "224.0.0.1", THIS_MACHINE, False),
        ("hub.test", "10.1.2.3", LOCAL_NETWORK, True),
        ("hub.test", "127.0.0.1", LOCAL_NETWORK, False),
        ("hub.test", "::", LOCAL_NETWORK, False),
        ("hub.test", "10.1.2.3", INTERNET, False),
        ("hub.test", "::1", INTERNET, False),
        ("hub.test", "fd12::1", INTERNET, False),
        ("hub.test", "::ffff:10.1.2.3", INTERNET, False),
        ("hub.test", "8.8.8.8", INTERNET, True),
        ("hub.test", "2606:4700::1111", INTERNET, True),
    ],
)
def test_who_may_be_spoken_to(host: str, peer: str, least: int, good: bool) -> None:
    if good:
        check_peer(host, peer, least)
    else:
        with pytest.raises(AddressRefused, match=r"[Nn]othing was sent"):
            check_peer(host, peer, least)


def test_a_name_that_resolves_to_the_clouds_own_address_is_not_asked(
    tmp_path: Path, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **how: Any) -> Any:
        if host == "hub.vramwise.test":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]
        return real(host, port, *rest, **how)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.vramwise.test")
    assert "Nothing was sent there" in told_or_whole(tmp_path, machine)


def test_a_redirect_takes_the_token_to_nobody_else(
    tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with saying(Hub()) as stranger:
        hub[0].lies = {"file": looking(lambda path, _: [lies.redirect(f"{stranger.url}{path}?{TOKEN}")])}
        assert told_or_whole(tmp_path, machine) == ""
        assert stranger.headers and not any("authorization" in headers for headers in stranger.headers)
    assert all(headers["authorization"] == f"Bearer {TOKEN}" for headers in hub[1].headers)
    assert "/resolve/" in caplog.text and TOKEN not in caplog.text


@pytest.mark.parametrize("where", ["listing", "file"])
def test_a_token_that_a_hub_repeats_is_in_no_text(
    where: str,
    tmp_path: Path,
    machine: Settings,
    hub: tuple[Hub, RawServer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for lie in (
        answer(TOKEN.encode(), f"500 {TOKEN}", X_Key=TOKEN),
        answer(TOKEN.encode(), f"400 {TOKEN}"),
        lies.redirect(f"ftp://{TOKEN}/"),
        answer(b"{}", Content_Encoding=TOKEN),
        f"HTTP/1.1 {TOKEN}\r\n\r\n".encode(),
        listing(sha=TOKEN) if where == "listing" else answer(b"", f"404 {TOKEN}"),
    ):
        hub[0].lies = {where: lie}
        told_or_whole(tmp_path, machine)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()
    assert caplog.text and TOKEN not in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal of that kind.")
def test_kill_9_at_random_moments_leaves_nothing_that_looks_whole(
    tmp_path: Path, machine: Settings, hub: tuple[Hub, RawServer]
) -> None:
    killed = kill_downloads(hub[1], tmp_path, 3, lambda: nothing_is_half(tmp_path, machine))
    assert killed == 3
    assert told_or_whole(tmp_path, machine) == "" and locate(MODEL, machine)


def test_two_processes_at_one_model_bring_it_once(tmp_path: Path, hub: tuple[Hub, RawServer]) -> None:
    both = [fetching(tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes
    for code, (_, errors) in zip(codes, said, strict=True):
        assert code == 0 or "is being written by process" in errors
    fetched = [path for path in hub[1].asked if path.endswith(SHARDS[0])]
    assert len(fetched) == 1 or codes == [0, 0]
    for name, content in FILES.items():
        assert (folder(tmp_path) / name).read_bytes() == content


@pytest.mark.parametrize("attack", [spoiled_answers, spoiled_listings])
def test_spoiled_answers_end_in_a_result_or_a_sentence(attack: Any) -> None:
    tally = attack(50)
    assert tally.faults == [] and set(tally.ends) == {"result", "sentence"}
