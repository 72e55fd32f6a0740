"""Fetching a checkpoint from a loopback hub that drops, lies and refuses."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vramwise import panel_data
from vramwise.catalog import OCRModel
from vramwise.catalog.layout import layout_models
from vramwise.catalog.words import in_language
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.settings import Settings
from vramwise.weights import (
    DownloadStopped,
    background_downloads,
    download_model,
    file_transfer,
    hub_listing,
    locate,
    verify,
)
from vramwise.weights import model_download as module
from vramwise.weights.locks import only_writer

from devtools.fakes.lying_hub import SHARDS, safetensors
from devtools.fakes.model_hub import World, serving

pytest.importorskip("huggingface_hub")

REPO = "Qwen/Qwen3-VL-2B-Instruct"
NAME = "Qwen3-VL-2B-Instruct"
COMMIT = "89644892e4d85e24eaac8bacfd4f463576704203"
MODEL = OCRModel(
    id="qwen3_vl_2b", name="Qwen3-VL 2B", engine="vlm", runs_on="gpu", weight_bytes=None,
    licence="", about="", source="", date="", family="qwen3_vl", repo=REPO,
)  # fmt: skip


CONTENT = {
    "config.json": b'{"model_type": "qwen3_vl"}',
    "model.safetensors.index.json": json.dumps({"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}).encode(),
    SHARDS[0]: safetensors("a", 40_000),
    SHARDS[1]: safetensors("b", 20_000),
    "chat_template.jinja": b"{{ messages }}",
    "merges.txt": b"a b",
    "LICENSE": b"free",
}
UNWANTED = {
    "pytorch_model.bin": b"pickle",
    "modeling_evil.py": b"import os",
    "README.md": b"# card",
    ".gitattributes": b"x",
    "onnx/model.onnx": b"x",
    "sub/config.json": b"{}",
    "consolidated.safetensors": b"x",
}
WANTED_BYTES = sum(map(len, CONTENT.values()))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    with serving(World(REPO, COMMIT, {**CONTENT, **UNWANTED})) as world:
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", world.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", world.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(file_transfer, "WAIT_SECONDS", 0.0)
        yield world


@pytest.fixture
def machine(tmp_path: Path) -> Settings:
    return Settings(places=Places(user_dir=tmp_path / "user", models_dirs=(tmp_path / "models",)))


def folder(tmp_path: Path) -> Path:
    return tmp_path / "models" / "LLM" / NAME


def names(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "models").rglob("*") if path.is_file()}


def test_a_download_is_whole_and_recorded_and_holds_no_pickle_and_no_code(
    tmp_path: Path, world: World, machine: Settings
) -> None:
    seen: list[tuple[int, int, str]] = []
    path = download_model(MODEL, machine, lambda *step: seen.append(step))
    assert path == folder(tmp_path) and names(tmp_path) == {*CONTENT, ".vramwise.json"}
    assert all((path / name).read_bytes() == content for name, content in CONTENT.items())
    done = [step[0] for step in seen]
    assert done == sorted(done) and seen[-1] == (WANTED_BYTES, WANTED_BYTES, SHARDS[0])
    record = json.loads((path / ".vramwise.json").read_text(encoding="utf-8"))
    assert record["repo"] == REPO and record["commit"] == COMMIT and record["source"] == "huggingface"
    assert record["files"][SHARDS[0]]["size"] == len(CONTENT[SHARDS[0]])
    verify(path)
    assert locate(MODEL, machine).revision == COMMIT
    asked = len(world.asked)
    assert download_model(MODEL, machine) == path and len(world.asked) == asked, "nothing is asked again"


def test_nothing_but_the_listing_and_the_files_is_asked_and_no_more_is_told_than_our_name(
    world: World, machine: Settings
) -> None:
    download_model(MODEL, machine)
    paths = {path for path, *_ in world.asked}
    assert all(
        path.startswith((f"/api/models/{REPO}", f"/{REPO}/resolve/{COMMIT}/", "/cdn/")) for path in paths
    )
    assert world.agents == {"vramwise"}


def test_the_pinned_commit_is_the_one_asked_for(world: World, machine: Settings) -> None:
    path = download_model(replace(MODEL, revision=COMMIT), machine)
    assert f"/api/models/{REPO}/revision/{COMMIT}" in {path for path, *_ in world.asked}
    assert json.loads((path / ".vramwise.json").read_text(encoding="utf-8"))["pinned"] is True


def test_a_dropped_line_is_taken_up_again_in_the_same_run(world: World, machine: Settings) -> None:
    world.drop_after, world.drops = 600_000, 3
    path = download_model(MODEL, machine)
    assert (path / SHARDS[0]).read_bytes() == CONTENT[SHARDS[0]]
    assert [wanted for wanted in world.fetched(SHARDS[0]) if wanted], "by a range, not from the start"


def test_what_a_dead_line_has_brought_is_kept_and_the_next_run_goes_on_from_there(
    tmp_path: Path, world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    world.drop_after, world.drops = 700_000, -1

    def dead(path: str) -> None:
        world.status = {"/cdn/": 503}

    def after_some(done: int, total: int, name: str) -> None:
        if name in SHARDS and done > 500_000:
            dead(name)

    with pytest.raises(VramwiseError, match=r"is kept and the next try goes on from there"):
        download_model(MODEL, machine, after_some)
    (part,) = folder(tmp_path).glob("*.part")
    kept = part.stat().st_size
    assert kept > 250_000 and ".incomplete" in names(tmp_path)
    with pytest.raises(VramwiseError, match=r"only partly downloaded.*download qwen3_vl_2b"):
        locate(MODEL, machine)
    world.status, world.drops, world.asked = {}, 0, []
    path = download_model(MODEL, machine)
    assert world.fetched(SHARDS[1]) == [f"bytes={kept}-"] and not world.fetched("config.json")
    assert (path / SHARDS[1]).read_bytes() == CONTENT[SHARDS[1]]
    assert names(tmp_path) == {*CONTENT, ".vramwise.json"}


def test_a_server_without_ranges_starts_the_file_over(
    tmp_path: Path, world: World, machine: Settings
) -> None:
    world.drop_after, world.drops, world.ranges = 600_000, 1, False
    path = download_model(MODEL, machine)
    assert (path / SHARDS[0]).read_bytes() == CONTENT[SHARDS[0]]


def test_cancel_stops_within_a_chunk_and_keeps_what_has_arrived(
    tmp_path: Path, world: World, machine: Settings
) -> None:
    done = 0

    def progress(bytes_done: int, _total: int, _name: str) -> None:
        nonlocal done
        done = bytes_done

    with pytest.raises(DownloadStopped, match=r"kept"):
        download_model(MODEL, machine, progress, lambda: done > 600_000)
    assert done < 600_000 + 2 * file_transfer.CHUNK
    arrived = sum(path.stat().st_size for path in folder(tmp_path).iterdir() if path.name[0] != ".")
    assert arrived == done
    world.asked = []
    download_model(MODEL, machine)
    assert any(world.fetched(shard) != [None] for shard in SHARDS)


def test_a_callback_that_raises_stops_it_too_and_loses_nothing(
    tmp_path: Path, world: World, machine: Settings
) -> None:
    class Interrupted(BaseException):
        pass

    def progress(*_: object) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        download_model(MODEL, machine, progress)
    assert ".vramwise.lock" not in names(tmp_path)
    verify(download_model(MODEL, machine))


@pytest.mark.parametrize("change", ["shorter", "longer"])
def test_a_wrong_size_is_thrown_away(tmp_path: Path, world: World, machine: Settings, change: str) -> None:
    right = CONTENT[SHARDS[1]]
    world.sent[SHARDS[1]] = right[:-5] if change == "shorter" else right + b"extra"
    with pytest.raises(VramwiseError, match=r"bytes where the hub's listing says"):
        download_model(MODEL, machine)
    assert SHARDS[1] not in names(tmp_path) and not list(folder(tmp_path).glob("*.part"))
    world.sent = {}
    verify(download_model(MODEL, machine))


@pytest.mark.parametrize(("name", "kind"), [(SHARDS[0], "SHA-256"), ("config.json", "git hash")])
def test_a_wrong_hash_is_thrown_away_for_weights_and_for_small_files(
    tmp_path: Path, world: World, machine: Settings, name: str, kind: str
) -> None:
    world.sent[name] = CONTENT[name][:-1] + b"!"
    with pytest.raises(VramwiseError, match=rf"hub's listing describes \(its {kind} differs\)"):
        download_model(MODEL, machine)
    assert name not in names(tmp_path) and ".incomplete" in names(tmp_path)


def test_a_file_that_another_program_left_damaged_is_fetched_again(
    tmp_path: Path, world: World, machine: Settings
) -> None:
    folder(tmp_path).mkdir(parents=True)
    for name in ("config.json", SHARDS[0]):
        (folder(tmp_path) / name).write_bytes(CONTENT[name])
    (folder(tmp_path) / SHARDS[1]).write_bytes(bytes(len(CONTENT[SHARDS[1]])))
    path = download_model(MODEL, machine)
    assert (path / SHARDS[1]).read_bytes() == CONTENT[SHARDS[1]]
    assert not world.fetched(SHARDS[0]), "a right one is kept"


def test_bytes_of_another_commit_are_never_appended_to(
    tmp_path: Path, world: World, machine: Settings
) -> None:
    folder(tmp_path).mkdir(parents=True)
    (folder(tmp_path) / f"{SHARDS[0]}.000000000000.part").write_bytes(b"old" * 1000)
    verify(download_model(MODEL, machine))
    assert world.fetched(SHARDS[0]) == [None] and names(tmp_path) == {*CONTENT, ".vramwise.json"}


def test_a_full_disk_is_noticed_before_the_first_byte(
    tmp_path: Path, world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": WANTED_BYTES})())
    with pytest.raises(VramwiseError, match=rf"{WANTED_BYTES} bytes.*models_dir"):
        download_model(MODEL, machine)
    assert not world.fetched("config.json") and not folder(tmp_path).exists()


def test_a_disk_that_fills_up_on_the_way_keeps_what_has_arrived(
    tmp_path: Path, world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(VramwiseError, match=r"No space left on device.*kept"):
            download_model(MODEL, machine)
    verify(download_model(MODEL, machine))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EFBIG, "File too large"), r"takes no file so large \(FAT32 .* models_dir in config"),
        (OSError(errno.EISDIR, "Is a directory", "a", None, "there/b"), r"See what is at there/b\."),
    ],
)
def test_where_another_try_would_end_the_same_way_it_is_not_advised(
    world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch, error: OSError, says: str
) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(VramwiseError, match=says) as caught:
        download_model(MODEL, machine)
    assert "the next try goes on" not in str(caught.value)
    assert in_language(caught.value, "ru") != str(caught.value) != in_language(caught.value, "zh")


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "has no model Qwen"), (401, "HF_TOKEN"), (403, "is gated: accept its licence at .*HF_TOKEN")],
)
def test_a_refusal_is_a_sentence_with_the_way_out(
    tmp_path: Path, world: World, machine: Settings, status: int, said: str
) -> None:
    world.status = {"/api/models/": status}
    with pytest.raises(VramwiseError, match=said):
        download_model(MODEL, machine)
    assert not folder(tmp_path).exists()


@pytest.mark.parametrize("lang", ["ru", "zh"])
@pytest.mark.parametrize(
    "status",
    [{"/api/models/": code} for code in (401, 403, 404)] + [{"/resolve/": code} for code in (403, 500)],
)
def test_a_download_that_fails_says_so_in_the_readers_language(
    world: World, machine: Settings, status: dict[str, int], lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    world.status = status
    with pytest.raises(VramwiseError) as caught:
        download_model(MODEL, machine)
    told = in_language(caught.value, lang)
    assert not re.search(r"\b(the|is|not|has|its|what|could|put|try|again|that)\b", told), told


def test_a_busy_hub_is_asked_again_when_it_says(
    world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    for place in (file_transfer, hub_listing):
        monkeypatch.setattr(place, "wait_politely", lambda seconds, _: waited.append(seconds))
    soon = [{"Retry-After": "7"}, {"RateLimit": '"api";r=0;t=9'}]
    world.busy = {"/api/models/": list(soon), SHARDS[0]: [*soon, {"Retry-After": "2"}]}
    assert (download_model(MODEL, machine) / SHARDS[0]).read_bytes() == CONTENT[SHARDS[0]]
    assert waited == [7.0, 9.0, 7.0, 9.0, 2.0]


@pytest.mark.parametrize("part", ["/api/models/", "/resolve/"])
@pytest.mark.parametrize(("wait", "asked"), [("4000", 1), ("3", 7)])
def test_a_hub_that_stays_busy_is_a_sentence_in_every_language(
    part: str, wait: str, asked: int, world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (file_transfer, hub_listing):
        monkeypatch.setattr(place, "wait_politely", lambda *_: None)
    world.busy = {part: [{"Retry-After": wait}] * 99}
    with pytest.raises(VramwiseError, match=rf"it asks to come back in {wait} s \(HTTP 429\)") as caught:
        download_model(MODEL, machine)
    assert sum(part in path for path, *_ in world.asked) == asked
    for lang in ("ru", "zh"):
        assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", in_language(caught.value, lang))


def test_a_wait_hears_of_cancel(world: World, machine: Settings) -> None:
    world.busy = {"/api/models/": [{"Retry-After": "300"}]}
    with pytest.raises(DownloadStopped):
        download_model(MODEL, machine, cancelled=lambda: bool(world.asked))


@pytest.mark.parametrize(("part", "status"), [("/api/models/", 511), ("/resolve/", 511), ("/resolve/", 403)])
def test_a_network_that_wants_a_sign_in_is_asked_once(
    part: str, status: int, world: World, machine: Settings
) -> None:
    world.status, world.page = {part: status}, True
    with pytest.raises(VramwiseError, match=r"sign-in|signs in") as caught:
        download_model(MODEL, machine)
    assert "gated" not in str(caught.value) and sum(part in path for path, *_ in world.asked) == 1


def test_weights_behind_a_gate_are_a_sentence_too(world: World, machine: Settings) -> None:
    world.status = {"/resolve/": 403}
    with pytest.raises(VramwiseError, match=r"is gated: accept its licence at http://127.0.0.1"):
        download_model(MODEL, machine)


def test_the_token_goes_with_every_request_to_the_hub(
    world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    path = download_model(MODEL, machine)
    hub = [token for asked, _, token in world.asked if not asked.startswith("/cdn/")]
    assert set(hub) == {"Bearer hf_secret"}
    assert "hf_secret" not in (path / ".vramwise.json").read_text(encoding="utf-8")


def test_an_unreachable_hub_is_a_sentence_that_names_the_mirror_variable(
    tmp_path: Path, world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(VramwiseError, match=r"could not be listed at http://127.0.0.1:9.*HF_ENDPOINT"):
        download_model(MODEL, machine)
    assert names(tmp_path) == set()


def test_without_huggingface_hub_a_model_is_fetched_all_the_same(
    world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    verify(download_model(MODEL, machine))
    assert world.asked[0][2] == "Bearer hf_secret"


def test_a_repo_of_pickles_is_refused_before_anything_is_fetched(world: World, machine: Settings) -> None:
    world.files = {"config.json": b"{}", "pytorch_model.bin": b"x"}
    with pytest.raises(VramwiseError, match=r"no config.json with safetensors weights"):
        download_model(MODEL, machine)
    assert len(world.asked) == 1


def test_names_that_would_leave_the_folder_are_not_fetched(
    tmp_path: Path, world: World, machine: Settings
) -> None:
    evil = ("../evil.json", "..\\evil.json", "/etc/evil.json", "C:evil.json", ".vramwise.json", "a/b.json")
    world.files = {**CONTENT, **dict.fromkeys(evil, b"{}")}
    download_model(MODEL, machine)
    assert names(tmp_path) == {*CONTENT, ".vramwise.json"}
    assert not [path for path in tmp_path.rglob("*evil*")]


def test_two_downloads_at_once_do_not_write_one_file(tmp_path: Path, world: World, machine: Settings) -> None:
    folder(tmp_path).mkdir(parents=True)
    lock = folder(tmp_path) / ".vramwise.lock"
    with (
        only_writer(lock, "the first"),
        pytest.raises(VramwiseError, match=rf"being written by process {os.getpid()}"),
    ):
        download_model(MODEL, machine)
    lock.write_text(str(os.getpid()), encoding="ascii")
    os.utime(lock, (0, 0))  # before this process began: its number was another's then
    verify(download_model(MODEL, machine))


@pytest.mark.parametrize("left", ["999999999", "", "nonsense"])
def test_the_lock_of_a_process_that_is_gone_is_taken_over(
    tmp_path: Path, world: World, machine: Settings, left: str
) -> None:
    folder(tmp_path).mkdir(parents=True)
    lock = folder(tmp_path) / ".vramwise.lock"
    lock.write_text(left, encoding="ascii")
    os.utime(lock, (time.time() - 60, time.time() - 60))
    verify(download_model(MODEL, machine))


@pytest.fixture
def modelscope(machine: Settings) -> Settings:
    """A machine whose setting says ModelScope."""
    return replace(machine, download_source="modelscope")


def test_modelscope_is_asked_where_the_machine_says_so(
    tmp_path: Path, world: World, modelscope: Settings
) -> None:
    world.drop_after, world.drops = 600_000, 1
    path = download_model(replace(MODEL, revision=COMMIT), modelscope)
    verify(path)
    assert names(tmp_path) == {*CONTENT, ".vramwise.json"}
    record = json.loads((path / ".vramwise.json").read_text(encoding="utf-8"))
    assert record["source"] == "modelscope" and record["commit"] == "5" * 40 and not record["pinned"]
    assert not any(path.startswith("/api/models") for path, *_ in world.asked)


def test_modelscopes_silence_about_an_unknown_repo_is_a_sentence(world: World, modelscope: Settings) -> None:
    with pytest.raises(VramwiseError, match=r"has no files of Qwen/unknown"):
        download_model(replace(MODEL, repo="Qwen/unknown"), modelscope)


def test_modelscope_checks_every_hash(world: World, modelscope: Settings) -> None:
    world.sent["merges.txt"] = b"a c"
    with pytest.raises(VramwiseError, match=r"its SHA-256 differs"):
        download_model(MODEL, modelscope)


def test_a_read_only_models_folder_is_passed_over(
    tmp_path: Path, world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tempfile.TemporaryFile

    def refused(dir: Path) -> Any:  # as the system does; whoever runs the tests may do all
        if "locked" in str(dir):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    path = download_model(MODEL, replace(machine, models_dirs=(tmp_path / "locked",)))
    assert path == folder(tmp_path)


def test_the_button_fetches_the_net_that_finds_blocks_and_says_so_before_and_after(
    world: World, machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a recogniser is; why it failed is told in the reader's language."""
    (net,) = layout_models()
    for place in (background_downloads, panel_data):
        monkeypatch.setattr(place, "load_settings", lambda: machine)
    told = []
    for repo, commit in (("somebody/else", COMMIT), (net.repo, net.revision)):
        world.repo, world.commit, downloads = repo, commit, background_downloads.Downloads()
        told.append(panel_data.layout_answer(downloads)["state"])
        downloads.start(net.id)
        for thread in threading.enumerate():
            if thread.name == f"vramwise-{net.id}":
                thread.join(60)
        found = panel_data.layout_answer(downloads, "ru")
        told += [found["state"], found["download"]["state"], found["download"]["error"]]
    failed = told.pop(3)
    assert told == ["absent", "absent", "failed", "absent", "here", "done", ""]
    assert re.search("[\u0430-\u044f]{4}", failed) and panel_data.layout_answer(downloads)["name"] == net.name
