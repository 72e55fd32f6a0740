"""The record of real runs: what is kept, what a plan makes of it, and that it never stands in the way."""

from __future__ import annotations

import json
import logging
import multiprocessing
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vramwise.families.family import family
from vramwise.families.published import published_config
from vramwise.hardware.budget import Budget
from vramwise.host import Places
from vramwise.planning import make_plan, reading_bytes, run_history
from vramwise.planning.cache_note import cache_note
from vramwise.planning.run_history import Run, lookup, record
from vramwise.settings import Settings

GIB = 1024**3
CARD = "NVIDIA GeForce RTX 4090"
REPO = "Qwen/Qwen3-VL-2B-Instruct"


def run_of(**more: Any) -> Run:
    given = {"device": CARD, "model": "qwen3_vl_2b", "precision": "bf16", "attention": "sdpa", **more}
    return Run(**given)


def plan(runs: tuple[Run, ...] = (), precision: str = "auto") -> Any:
    config = published_config(REPO) or {}
    budget = Budget("cuda:0", "cuda", 20 * GIB, 0, (8, 9), CARD)
    row = family("qwen3_vl")
    return make_plan("qwen3_vl_2b", row, config, None, budget, precision, pixels=2**20, runs=runs)


def test_a_run_is_found_again_by_device_and_model(tmp_path: Path) -> None:
    record(tmp_path, run_of(pixels=10**6, activation_peak_bytes=5, read_seconds=2.5))
    record(tmp_path, run_of(device="cpu", pixels=10**6))
    record(tmp_path, run_of(model="got_ocr", pixels=10**6))
    (found,) = lookup(tmp_path, CARD, "qwen3_vl_2b")
    assert (found.pixels, found.activation_peak_bytes, found.read_seconds) == (10**6, 5, 2.5)
    assert len(found.date) == 10


def test_the_latest_run_of_a_kind_replaces_the_one_before_and_other_sizes_stay(tmp_path: Path) -> None:
    for pixels, seconds in ((10**6, 9.0), (2 * 10**6, 5.0), (10**6, 3.0)):
        record(tmp_path, run_of(pixels=pixels, read_seconds=seconds))
    found = {run.pixels: run.read_seconds for run in lookup(tmp_path, CARD, "qwen3_vl_2b")}
    assert found == {2 * 10**6: 5.0, 10**6: 3.0}


def test_the_record_stays_small_and_drops_the_oldest(tmp_path: Path) -> None:
    rows = [{"device": CARD, "model": "qwen3_vl_2b", "precision": "bf16", "pixels": n} for n in range(500)]
    (tmp_path / run_history.JSON_NAME).write_text(json.dumps({"format": 1, "runs": rows}), encoding="utf-8")
    record(tmp_path, run_of(pixels=10**6))
    kept = [run.pixels for run in lookup(tmp_path, CARD, "qwen3_vl_2b")]
    assert len(kept) == run_history.MOST
    assert kept[-1] == 10**6 and kept[0] == 101
    assert (tmp_path / run_history.NAME).stat().st_size < 400_000


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[1, 2]",
        b'{"format": 1}',
        b'{"format": 1, "runs": [{"device": 3}]}',
        b'{"format": 1, "runs": [{"device": "a", "model": "b", "precision": "c", "pixels": "many"}]}',
        b'{"format": 1, "runs": [5]}',
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_json_record_is_a_line_in_the_log_and_the_next_run_mends_it(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / run_history.JSON_NAME).write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert lookup(tmp_path, CARD, "qwen3_vl_2b") == ()
    assert "cannot be read" in caplog.text
    record(tmp_path, run_of(pixels=10**6))
    assert len(lookup(tmp_path, CARD, "qwen3_vl_2b")) == 1


def test_a_record_of_a_newer_form_is_left_out_and_unknown_fields_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / run_history.JSON_NAME
    file.write_text(json.dumps({"format": 2, "runs": "other"}), encoding="utf-8")
    assert lookup(tmp_path, CARD, "qwen3_vl_2b") == ()
    row = {"device": CARD, "model": "qwen3_vl_2b", "precision": "bf16", "watts": 300}
    file.write_text(json.dumps({"format": 1, "runs": [row]}), encoding="utf-8")
    assert len(lookup(tmp_path, CARD, "qwen3_vl_2b")) == 1
    record(tmp_path, run_of(pixels=10**6))
    with closing(sqlite3.connect(tmp_path / run_history.NAME)) as database:
        database.execute("ALTER TABLE runs ADD COLUMN watts")
        database.commit()
        record(tmp_path, run_of(pixels=2 * 10**6))
        assert len(lookup(tmp_path, CARD, "qwen3_vl_2b")) == 3
        database.execute("PRAGMA user_version = 2")
        assert lookup(tmp_path, CARD, "qwen3_vl_2b") == ()
        record(tmp_path, run_of(pixels=3 * 10**6))
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (3,), "a newer one's is left alone"


def test_what_was_kept_as_json_is_used_and_taken_over_once(tmp_path: Path) -> None:
    row = {"device": CARD, "model": "qwen3_vl_2b", "precision": "bf16", "attention": "sdpa", "images": 1}
    row |= {"quantise_vision": True, "pixels": 10**6, "beside_bytes": 7, "read_seconds": 2.5}
    row |= {
        "prompt_tokens": 3,
        "new_tokens": 4,
        "load_seconds": None,
        "loaded_from": "",
        "date": "2026-11-20",
    }
    text = json.dumps({"format": 1, "runs": [{**row, "precision": "int8"}, row]})
    (tmp_path / run_history.JSON_NAME).write_text(text, encoding="utf-8")
    before = lookup(tmp_path, CARD, "qwen3_vl_2b")
    assert [run.precision for run in before] == ["int8", "bf16"]
    assert [run.activation_peak_bytes for run in before] == [7, 7]
    assert [file.name for file in tmp_path.iterdir()] == [run_history.JSON_NAME], "a question writes nothing"
    record(tmp_path, run_of(model="got_ocr"))
    assert lookup(tmp_path, CARD, "qwen3_vl_2b") == before
    assert [file.name for file in tmp_path.iterdir()] == [run_history.NAME]
    (tmp_path / run_history.JSON_NAME).write_text(text, encoding="utf-8")
    record(tmp_path, replace(before[0], read_seconds=9.0))
    again = lookup(tmp_path, CARD, "qwen3_vl_2b")
    assert [run.read_seconds for run in again] == [2.5, 9.0], "one that came back later is not read again"


def whole_database(folder: Path) -> bytes:
    for pixels in range(50):
        record(folder, run_of(pixels=pixels))
    content = (folder / run_history.NAME).read_bytes()
    (folder / run_history.NAME).unlink()
    return content


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", "cannot be read"),
        ("half", "cannot be read"),
        ("zeros within", "cannot be read"),
        ("empty", ""),
    ],
)
def test_a_damaged_database_is_a_line_in_the_log_and_the_next_run_mends_it(
    kind: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = whole_database(tmp_path)
    damaged = {
        "text": b'{"format": 1, "runs": [' * 50,
        "half": whole[: len(whole) // 2],
        "zeros within": whole[:4096] + bytes(len(whole) - 4096),
        "empty": b"",
    }
    (tmp_path / run_history.NAME).write_bytes(damaged[kind])
    with caplog.at_level(logging.WARNING):
        assert lookup(tmp_path, CARD, "qwen3_vl_2b") == ()
    assert said in caplog.text
    record(tmp_path, run_of(pixels=10**6))
    assert lookup(tmp_path, CARD, "qwen3_vl_2b")[-1].pixels == 10**6
    assert [file.name for file in tmp_path.iterdir()] == [run_history.NAME]


def test_a_damaged_row_is_left_out_and_the_others_are_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for pixels in (1, 2, 3):
        record(tmp_path, run_of(pixels=pixels))
    with closing(sqlite3.connect(tmp_path / run_history.NAME)) as database:
        database.execute("UPDATE runs SET images = 'many' WHERE pixels = 2")
        database.commit()
    assert [run.pixels for run in lookup(tmp_path, CARD, "qwen3_vl_2b")] == [1, 3]
    assert "images is 'many'" in caplog.text


def test_a_locked_database_costs_the_run_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_history, "_READ_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(run_history, "_WRITE_WAIT_SECONDS", 0.05)
    record(tmp_path, run_of(pixels=1))
    with closing(sqlite3.connect(tmp_path / run_history.NAME, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with caplog.at_level(logging.INFO):
            record(tmp_path, run_of(pixels=2))
            assert lookup(tmp_path, CARD, "qwen3_vl_2b") == ()
        database.execute("ROLLBACK")
    assert "not remembered: database is locked" in caplog.text and "cannot be read" in caplog.text
    assert [run.pixels for run in lookup(tmp_path, CARD, "qwen3_vl_2b")] == [1]


def test_a_name_that_is_no_unicode_costs_the_run_and_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        record(tmp_path, run_of(model="a\udcff"))
    assert "not remembered" in caplog.text
    record(tmp_path, run_of(pixels=1))
    assert lookup(tmp_path, CARD, "a\udcff") == () and len(lookup(tmp_path, CARD, "qwen3_vl_2b")) == 1


def test_a_folder_that_cannot_be_written_does_not_stop_a_reading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    with caplog.at_level(logging.INFO):
        record(blocked / "inside", run_of(pixels=10**6))
    assert "not remembered" in caplog.text


def _write_many(folder: str, name: str) -> None:
    for number in range(40):
        record(Path(folder), run_of(device=name, pixels=number))


def test_four_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    start, names = multiprocessing.get_context("spawn"), ("a", "b", "c", "d")
    together = [start.Process(target=_write_many, args=(str(tmp_path), name)) for name in names]
    for process in together:
        process.start()
    for process in together:
        process.join(300)
    assert [process.exitcode for process in together] == [0] * 4
    for name in names:
        assert [run.pixels for run in lookup(tmp_path, name, "qwen3_vl_2b")] == list(range(40))
    assert [file.name for file in tmp_path.iterdir()] == [run_history.NAME]


def measured_run(share: float, **more: Any) -> Run:
    """A run whose peak was ``share`` of what the formula says for the same work."""
    config = published_config(REPO) or {}
    beside = reading_bytes(config, "bf16", prompt_tokens=100)(2**20, 1, 300)
    tokens = 1024 + 100
    given = {
        "pixels": 2**20,
        "prompt_tokens": tokens,
        "new_tokens": 300,
        "activation_peak_bytes": int(beside * share),
    }
    return run_of(**{"date": "2026-11-22", **given, **more})


@pytest.mark.parametrize(("share", "used"), [(1.2, 1.2), (0.95, 0.95), (0.5, 0.8)])
def test_a_measured_peak_moves_the_next_plan_and_is_named(share: float, used: float) -> None:
    before, after = plan(), plan((measured_run(share),))
    old, new = before.verdict("bf16").footprint, after.verdict("bf16").footprint
    beside = old.kv_bytes + old.activation_bytes
    # what is cached cannot shrink: only what comes on top of it
    assert new.kv_bytes + new.activation_bytes == pytest.approx(max(beside * used, old.kv_bytes), rel=1e-6)
    source = next(term.source for term in new.terms if term.name == "activations")
    assert source.startswith("measured here: ")
    assert "measured here" in after.text()
    assert after.verdict("int8").footprint == before.verdict("int8").footprint


def test_the_widest_of_several_measured_peaks_counts() -> None:
    several = (measured_run(1.3), measured_run(1.1, pixels=2**21), measured_run(0.9))
    assert (
        plan(several).verdict("bf16").footprint.need_bytes
        == plan((measured_run(1.3),)).verdict("bf16").footprint.need_bytes
    )


@pytest.mark.parametrize(
    "other",
    [
        measured_run(9.0),
        measured_run(1.3, pixels=100),
        measured_run(1.3, attention="eager"),
        measured_run(1.3, quantise_vision=True),
        measured_run(1.3, activation_peak_bytes=None),
    ],
    ids=["not plausible", "too small to tell", "another attention", "another vision tower", "no peak"],
)
def test_what_tells_nothing_about_this_plan_changes_no_byte_of_it(other: Run) -> None:
    assert plan((other,)).verdicts == plan().verdicts


def test_seconds_of_the_latest_load_and_read_are_in_the_plan() -> None:
    runs = (
        run_of(load_seconds=30.0, loaded_from="files", date="2026-11-20"),
        run_of(load_seconds=12.34, loaded_from="cache", date="2026-11-21"),
        run_of(pixels=1_000_000, read_seconds=3.21, new_tokens=250, date="2026-11-22"),
    )
    text = plan(runs).text()
    assert "Measured here: loaded of quantised weights in 12.3 s (2026-11-21)." in text
    assert "Measured here: 1.0 megapixels and 250 tokens read in 3.2 s (2026-11-22)." in text
    assert "Measured here" not in plan(runs, "int8").text()


def settings_in(folder: Path, cache: bool = False) -> Settings:
    return Settings(quantised_cache=cache, places=Places(user_dir=folder, models_dirs=()))


def note(folder: Path, precision: str = "int8", cache: bool = False, saved: Any = None) -> str:
    config = {**(published_config(REPO) or {}), **({"quantization_config": saved} if saved else {})}
    made = plan(precision=precision)
    return " ".join(cache_note(settings_in(folder, cache), made, config, 4_255_000_000, False))


def test_the_plan_says_what_a_quantised_cache_would_take_and_save(tmp_path: Path) -> None:
    assert "2.8 GB on disk would save about 2.8 s a load (not measured here: 1.4 GB less" in note(tmp_path)
    record(tmp_path, run_of(precision="int8", load_seconds=40.0, loaded_from="files"))
    assert "about 34.3 s a load (the load without it measured here)" in note(tmp_path)
    record(tmp_path, run_of(precision="int8", load_seconds=6.0, loaded_from="cache"))
    assert "about 34.0 s a load (measured here)" in note(tmp_path)


def test_there_is_no_word_of_a_cache_that_is_on_or_has_nothing_to_keep(tmp_path: Path) -> None:
    assert note(tmp_path, precision="bf16") == ""
    assert note(tmp_path, cache=True) == ""
    assert note(tmp_path, saved={"load_in_8bit": True}) == ""
