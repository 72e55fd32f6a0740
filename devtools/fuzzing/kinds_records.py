"""What the pack has written and somebody's disk, editor or malice has changed: settings and records."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import sqlite3
from typing import Any

from devtools.fuzzing.kinds import Kind, Place
from devtools.fuzzing.mutator import mutated_bytes, mutated_json, mutated_lines, mutated_yaml

# --- settings ---------------------------------------------------------------------------------------------

_SETTINGS = {
    "plain": "allow_downloads: true\ndownload_button: false\nquantised_cache: yes\n",
    "folders": "models_dir:\n  - /data/models\n  - ~/more\ntessdata_dir: /usr/share/tessdata\n"
    "download_source: modelscope\ndownload_mirror: https://mirror.example/hf\n",
    "models": "models:\n  qwen3_vl_2b: {precision: int8, use_flash_attention: false}\n"
    "  got_ocr: {attention: eager, quantise_vision: true}\n",
    "endpoints": "endpoints:\n  office:\n    urls: [http://127.0.0.1:8000, 'http://10.0.0.2:8000/v1']\n"
    "    key_env: OFFICE_KEY\n    model: Qwen3-VL\n    family: qwen3_vl\n    concurrency: 4\n"
    "    pictures: jpeg\n  home: {urls: 'http://localhost:8080'}\n",
}


def _settings_samples() -> dict[str, bytes]:
    return {name: text.encode() for name, text in _SETTINGS.items()}


def _settings(data: bytes, sample: str, place: Place) -> None:
    from vramwise.ocr.remote.endpoints import endpoint_names, resolve
    from vramwise.settings import load_settings

    file = place.given / "config.yaml"
    file.write_bytes(data)
    settings = load_settings({"VRAMWISE_CONFIG": str(file)})
    for name in endpoint_names(settings):
        resolve(name, settings)
    settings.command("download", "x")
    hash((settings.models_dirs, settings.tessdata_dirs, settings.download_mirror))


# --- the manifest of a job --------------------------------------------------------------------------------

_PAGES = 5


def _manifest_prepare(place: Place) -> None:
    """A job over five pictures; one page failed and was read again. Of today, and as it was before proofs."""
    from PIL import Image
    from vramwise.jobs import JobOptions, run_job

    for number in range(_PAGES):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(place.given / f"p{number}.png")
        os.utime(place.given / f"p{number}.png", ns=(1, 1_700_000_000_000_000_000 + number))
    out = place.own / "first"
    run_job([str(place.given)], out, _Colours(broken=3), JobOptions("fuzz"))
    run_job([str(place.given)], out, _Colours(), JobOptions("fuzz"), resume=True)
    whole = (out / "manifest.jsonl").read_bytes()
    records = [json.loads(line) for line in whole.splitlines()]
    before = [{key: value for key, value in record.items() if key != "proof"} for record in records]
    place.kept["samples"] = {
        "today": whole,
        "before": b"".join(json.dumps(r).encode() + b"\n" for r in before),
    }


def _manifest(data: bytes, sample: str, place: Place) -> None:
    """Resume; then every page is there, is its own, and a second resume has nothing to read."""
    from vramwise.jobs import JobOptions, run_job

    out = place.own / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for number in range(_PAGES):
        (out / f"p{number}.txt").write_text(f"{number}\n", encoding="utf-8")
    (out / "somebody's.txt").write_text("a person's", encoding="utf-8")
    (out / "manifest.jsonl").write_bytes(data)
    run_job([str(place.given)], out, _Colours(), JobOptions("fuzz"), resume=True)
    told = {file.stem: file.read_text(encoding="utf-8").strip() for file in out.glob("*.txt")}
    assert told.pop("somebody's") == "a person's", "a person's file was written over"
    expected = {f"p{number}": str(number) for number in range(_PAGES)}
    if sample == "today":
        assert told == expected, told
    else:  # a line without a proof may lie about its output, and then the page goes elsewhere
        assert set(told.values()) == set(expected.values()), told
    again = run_job([str(place.given)], out, _Colours(), JobOptions("fuzz"), resume=True)
    assert (again.read, again.before) == (0, _PAGES), f"a second --resume read {again.read} pages"


class _Colours:
    """Reads the picture's red; ``broken`` is a red that it cannot read."""

    def __init__(self, broken: int = -1) -> None:
        self._broken = broken

    def read(self, images: Any, options: Any = None, progress: Any = None) -> Any:
        from vramwise.errors import VramwiseError
        from vramwise.ocr.results.result import OCRResult

        for image in images:
            text = str(int(image[0, 0, 0]))
            if text == str(self._broken):
                raise VramwiseError("This page cannot be read today.")
            yield OCRResult(text, text, (), 8, 8, "stop", "fuzz", "fp32", 0.0)


# --- measured runs ----------------------------------------------------------------------------------------


@functools.cache
def _measured_samples() -> dict[str, bytes]:
    import tempfile
    from pathlib import Path

    from vramwise.planning.run_history import JSON_NAME, NAME, Run, record

    rows = [{"device": "cpu", "model": "m", "precision": "fp32", "pixels": size} for size in range(30)]
    earlier = json.dumps({"format": 1, "runs": rows}).encode()
    with tempfile.TemporaryDirectory() as folder:
        for size in range(60):
            record(Path(folder), Run("cpu", "m", "fp32", pixels=size, read_seconds=0.5))
        return {NAME: (Path(folder) / NAME).read_bytes(), JSON_NAME: earlier}


def _measured_spoil(sample: bytes, rng: random.Random) -> bytes:
    """The JSON of an earlier version, a database's bytes, or values in its cells."""
    if sample.startswith(b"{"):
        return mutated_json(sample, rng)
    if rng.random() < 0.6:
        return mutated_bytes(sample, rng)
    with sqlite3.connect(":memory:") as database:
        if not hasattr(database, "deserialize"):  # Python 3.10
            return mutated_bytes(sample, rng)
        database.deserialize(sample)
        odd = rng.choice(["x", -1, 2**62, None, b"\xff", 1e308, "x" * 10_000, "\ud7ff"])
        column = rng.choice(
            ["device", "pixels", "images", "read_seconds", "precision", "date", "quantise_vision"]
        )
        database.execute(f"UPDATE OR REPLACE runs SET {column} = ? WHERE id % 3 = 0", (odd,))  # noqa: S608
        if rng.random() < 0.3:
            database.execute(rng.choice(["DROP INDEX latest", "PRAGMA user_version = 7", "DELETE FROM runs"]))
        database.commit()
        return database.serialize()


def _measured(data: bytes, sample: str, place: Place) -> None:
    """Asked, written, asked: the new run is remembered unless the file is of a newer form."""
    from vramwise.planning.run_history import NAME, Run, lookup, record

    folder = place.own / "user"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / sample).write_bytes(data)
    for run in lookup(folder, "cpu", "m"):
        hash(run)
    record(folder, Run("cpu", "m", "fp32", pixels=10**7, read_seconds=1.0))
    kept = [run for run in lookup(folder, "cpu", "m") if run.pixels == 10**7]
    newer = _form(folder / NAME) not in (0, 1)
    assert kept or newer, "a run was not remembered"


def _form(file: Any) -> int:
    import contextlib

    try:
        with contextlib.closing(sqlite3.connect(file)) as database:
            return int(database.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return 0


KINDS = {
    "settings": Kind(_settings_samples, mutated_yaml, _settings),
    "manifest": Kind(dict, mutated_lines, _manifest, _manifest_prepare),
    "measured": Kind(_measured_samples, _measured_spoil, _measured),
}
