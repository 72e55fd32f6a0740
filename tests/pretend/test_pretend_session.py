"""The session on a lent card, rehearsed: each kind of row once, of a tiny model on a pretend card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vramwise.planning import run_history

from benchmarks import gpu, gpu_parts

TOKENS = 6


def test_each_kind_of_row_comes_once_and_none_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "PRECISIONS", ("bf16",))
    monkeypatch.setattr(gpu, "ATTENTIONS", ("sdpa", "eager", "flash_attention_2"))
    monkeypatch.setattr(gpu_parts, "BATCHES", (1, 2))
    monkeypatch.setattr(gpu_parts, "TOKENS", TOKENS)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    out, keep = tmp_path / "out" / "session.json", tmp_path / "keep" / "session.json"
    found = gpu.run(["qwen3_vl_2b", "--pretend", "--resume", "--out", str(out), "--keep", str(keep)])
    assert found["failed"] == [] and found["finished"]
    assert json.loads(out.read_text()) == json.loads(keep.read_text()) == found
    rows = found["rows"]
    read = [row["tokens"] for row in rows if row.get("attention") == "sdpa" and "tokens" in row]
    assert read == [TOKENS, 2 * TOKENS, TOKENS], "1 and 2 at once, and a page of A4, to the last token"
    for figure in ("build_seconds", "bare_tokens_per_second", "sampler_bytes", "first_seconds"):
        assert sum(figure in row for row in rows) == 1, figure
    (cancelled,) = [row["cancel_milliseconds"] for row in rows if "cancel_milliseconds" in row]
    assert cancelled is not None, "Cancel came before the answer's end"
    assert [row["attention"] for row in rows if "load_seconds" in row] == ["sdpa", "eager"]
    (refused,) = [row["refused"] for row in rows if "refused" in row]
    assert "flash-attn is not installed" in refused
    runs = [run_history.Run(**run) for run in found["runs"]]
    assert [run.images for run in runs] == [1, 2, 1, 1] and all(run.new_tokens == TOKENS for run in runs)
    assert gpu.remember(out, tmp_path) == 0, "what a pretend card took is remembered nowhere"
    assert not list(tmp_path.glob("**/gpu_models")), "gigabytes on a real card"
