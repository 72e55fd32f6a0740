"""Quantised weights on disk: found when all is as it was, never when anything has changed or broken."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.settings import Settings
from vramwise.weights import Checkpoint
from vramwise.weights import quantised_cache as module
from vramwise.weights.quantised_cache import cached, clear, entries, fingerprint, store


@pytest.fixture
def machine(tmp_path: Path) -> Settings:
    """A machine whose owner has switched the cache on."""
    places = Places(user_dir=tmp_path / "user", models_dirs=(tmp_path / "models",))
    return Settings(places=places, quantised_cache=True)


def safetensors(path: Path, rows: int = 64, dtype: str = "U8") -> None:
    header = json.dumps({"a": {"dtype": dtype, "shape": [rows, 64], "data_offsets": [0, rows * 64]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + os.urandom(rows * 64))


@pytest.fixture
def source(tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "source" / "Tiny-VL"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "tiny"}', encoding="utf-8")
    safetensors(folder / "model.safetensors", 256)
    return Checkpoint("Tiny-VL", folder, "tiny", (folder / "model.safetensors",), 256 * 64, None)


def save(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "tiny", "quantization_config": {}}', encoding="utf-8")
    safetensors(folder / "model.safetensors")


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "models").rglob("*") if path.is_file())


def test_what_was_stored_is_found(tmp_path: Path, machine: Settings, source: Checkpoint) -> None:
    assert cached(machine, source, "int8") is None
    path = store(machine, source, "int8", False, save)
    assert cached(machine, source, "int8") == path
    key = fingerprint(source, "int8", False)
    assert path == tmp_path / "models" / "vramwise_quantised" / f"Tiny-VL-int8-{key[:12]}"
    assert store(machine, source, "int8", False, lambda _: pytest.fail("saved again")) == path


def test_the_cache_is_off_until_the_machines_owner_switches_it_on(
    tmp_path: Path, machine: Settings, source: Checkpoint
) -> None:
    off = Settings(places=machine.places)
    with pytest.raises(VramwiseError, match=r"quantised_cache: true"):
        store(off, source, "int8", False, save)
    assert not (tmp_path / "models").exists()
    store(machine, source, "int8", False, save)
    assert cached(off, source, "int8") is None, "and switching it off again stops its use"
    assert len(entries(off)) == 1, "yet it can be listed and cleared"
    assert clear(off) > 0


def touched(source: Checkpoint) -> None:
    file = source.weight_files[0]
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


def replaced(source: Checkpoint) -> None:
    safetensors(source.weight_files[0], 128)


def reshaped_with_the_same_size_and_time(source: Checkpoint) -> None:
    file = source.weight_files[0]
    stat, content = file.stat(), file.read_bytes()
    file.write_bytes(content.replace(b'"U8"', b'"I8"'))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def reconfigured(source: Checkpoint) -> None:
    (source.path / "config.json").write_text('{"model_type": "tiny", "x": 1}', encoding="utf-8")


@pytest.mark.parametrize("change", [touched, replaced, reshaped_with_the_same_size_and_time, reconfigured])
def test_a_changed_source_is_another_cache_and_the_old_one_goes(
    tmp_path: Path, machine: Settings, source: Checkpoint, change: Callable[[Checkpoint], None]
) -> None:
    store(machine, source, "int8", False, save)
    change(source)
    assert cached(machine, source, "int8") is None and left(tmp_path) == []


def test_another_precision_or_vision_setting_is_another_cache(machine: Settings, source: Checkpoint) -> None:
    path = store(machine, source, "int8", False, save)
    assert cached(machine, source, "int4") is None and cached(machine, source, "int8", True) is None
    others = {store(machine, source, "int4", False, save), store(machine, source, "int8", True, save)}
    assert len(others) == 2 and cached(machine, source, "int8") == path, "and they live side by side"


@pytest.mark.parametrize("library", ["transformers", "bitsandbytes", "torch"])
def test_another_library_version_is_another_cache_and_the_old_one_goes_when_unused(
    tmp_path: Path, machine: Settings, source: Checkpoint, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    path = store(machine, source, "int8", False, save)
    monkeypatch.setattr(module, "_version", lambda name: "99.0" if name == library else "1.0")
    assert cached(machine, source, "int8") is None
    assert path.exists(), "another installation may share this folder"
    month_ago = time.time() - 31 * 86_400
    os.utime(path / module.MARKER, (month_ago, month_ago))
    assert cached(machine, source, "int8") is None and left(tmp_path) == []


def test_a_patch_release_keeps_the_cache(
    machine: Settings, source: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"torch": "2.14.1+cpu", "transformers": "5.23.0", "bitsandbytes": "0.50.2"}
    monkeypatch.setattr(module.metadata, "version", found.__getitem__)
    path = store(machine, source, "int8", False, save)
    found["torch"] = "2.14.2"
    assert cached(machine, source, "int8") == path
    found["torch"] = "2.15.0"
    assert cached(machine, source, "int8") is None


def truncated(path: Path) -> None:
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def bit_flipped(path: Path) -> None:
    file = path / "model.safetensors"
    stat, content = file.stat(), bytearray(file.read_bytes())
    content[2000] ^= 4
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def header_flipped(path: Path) -> None:
    file = path / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)


def without_config(path: Path) -> None:
    (path / "config.json").unlink()


def other_config(path: Path) -> None:
    file = path / "config.json"
    file.write_text(file.read_text(encoding="utf-8").replace("tiny", "tinx"), encoding="utf-8")


def without_marker(path: Path) -> None:
    (path / module.MARKER).unlink()


def marker_cut(path: Path) -> None:
    (path / module.MARKER).write_text("{", encoding="utf-8")


def marker_of_nothing(path: Path) -> None:
    marker = json.loads((path / module.MARKER).read_text(encoding="utf-8"))
    (path / module.MARKER).write_text(json.dumps({**marker, "files": {}}), encoding="utf-8")


def marker_of_another_format(path: Path) -> None:
    marker = json.loads((path / module.MARKER).read_text(encoding="utf-8"))
    (path / module.MARKER).write_text(json.dumps({**marker, "format": 0}), encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        bit_flipped,
        header_flipped,
        without_config,
        other_config,
        without_marker,
        marker_cut,
        marker_of_nothing,
        marker_of_another_format,
    ],
)
def test_a_damaged_cache_is_removed_not_trusted_and_can_be_made_anew(
    tmp_path: Path, machine: Settings, source: Checkpoint, damage: Callable[[Path], None]
) -> None:
    path = store(machine, source, "int8", False, save)
    damage(path)
    assert cached(machine, source, "int8") is None and not path.exists()
    assert cached(machine, source, "int8") is None
    assert store(machine, source, "int8", False, save) == path == cached(machine, source, "int8")


def test_a_large_file_is_compared_by_samples_that_see_a_lost_extent(
    machine: Settings, source: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOLE_BYTES", 1 << 20)

    def save_large(folder: Path) -> None:
        save(folder)
        safetensors(folder / "model.safetensors", 300_000)

    path = store(machine, source, "int4", False, save_large)
    assert cached(machine, source, "int4") == path
    file = path / "model.safetensors"
    stat = file.stat()
    with file.open("rb+") as stream:
        stream.seek(6 << 20)
        stream.write(bytes(4 << 20))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cached(machine, source, "int4") is None and not path.exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_save_that_fails_leaves_nothing(
    tmp_path: Path, machine: Settings, source: Checkpoint, error: type[BaseException]
) -> None:
    def broken(folder: Path) -> None:
        save(folder)
        raise error

    with pytest.raises(error):
        store(machine, source, "int8", False, broken)
    assert left(tmp_path) == [] and entries(machine) == []


def test_a_save_that_writes_half_a_checkpoint_is_not_kept(
    tmp_path: Path, machine: Settings, source: Checkpoint
) -> None:
    def half(folder: Path) -> None:
        save(folder)
        truncated(folder)

    with pytest.raises(VramwiseError, match=r"damaged"):
        store(machine, source, "int8", False, half)
    assert left(tmp_path) == []


def test_a_source_that_changes_while_it_is_read_is_not_kept(
    tmp_path: Path, machine: Settings, source: Checkpoint
) -> None:
    def changing(folder: Path) -> None:
        save(folder)
        replaced(source)

    with pytest.raises(VramwiseError, match=r"was changed while it was read"):
        store(machine, source, "int8", False, changing)
    assert left(tmp_path) == []


def test_a_killed_process_leaves_nothing_that_is_taken_for_whole(
    tmp_path: Path, machine: Settings, source: Checkpoint
) -> None:
    script = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[3]);"
        "import test_quantised_cache as t; from vramwise.host import Places;"
        "from vramwise.settings import Settings;"
        "from vramwise.weights import Checkpoint; source = Path(sys.argv[2]);"
        "place = Places(user_dir=Path(sys.argv[1]), models_dirs=(Path(sys.argv[1]) / 'models',));"
        "one = Checkpoint('Tiny-VL', source, 'tiny', (source / 'model.safetensors',), 0, None);"
        "machine = Settings(places=place, quantised_cache=True);"
        "t.store(machine, one, 'int8', False, lambda folder: (t.save(folder), os._exit(9)))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(source.path), str(Path(__file__).parent)],
        check=False,
    )
    assert killed.returncode == 9 and "model.safetensors" in left(tmp_path)
    assert entries(machine) == [] and cached(machine, source, "int8") is None
    path = store(machine, source, "int8", False, save)
    assert cached(machine, source, "int8") == path
    assert left(tmp_path) == ["complete.json", "config.json", "model.safetensors"], "the debris is gone"


def test_only_one_process_writes(tmp_path: Path, machine: Settings, source: Checkpoint) -> None:
    def meanwhile(folder: Path) -> None:
        with pytest.raises(VramwiseError, match=f"being written by process {os.getpid()}"):
            store(machine, source, "int8", False, save)
        save(folder)

    path = store(machine, source, "int8", False, meanwhile)
    assert cached(machine, source, "int8") == path
    assert not list(path.parent.glob(".*.lock"))


def test_a_full_disk_is_noticed_before_anything_is_saved(
    tmp_path: Path, machine: Settings, source: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3 * 10**9})())
    with pytest.raises(VramwiseError, match=r"has 3\.0 GB free.*need 5\.0 GB"):
        store(machine, source, "int8", False, lambda _: pytest.fail("saved"), expected_bytes=5 * 10**9)
    assert left(tmp_path) == []


def test_a_disk_that_fills_up_while_saving_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, machine: Settings, source: Checkpoint
) -> None:
    def full(folder: Path) -> None:
        save(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(VramwiseError, match=r"No space left on device.*model itself is not affected"):
        store(machine, source, "int8", False, full)
    assert left(tmp_path) == []


def test_the_list_says_what_is_there_and_clear_takes_it_away(
    tmp_path: Path, machine: Settings, source: Checkpoint
) -> None:
    paths = [store(machine, source, precision, False, save) for precision in ("int8", "int4")]
    debris = paths[0].parent / ".x.building"
    debris.mkdir()
    (debris / "half").write_bytes(b"12345")
    listed = entries(machine)
    assert [(one.name, one.precision) for one in listed] == [("Tiny-VL", "int4"), ("Tiny-VL", "int8")]
    sizes = {one.path: one.bytes for one in listed}
    assert sizes == {path: sum(file.stat().st_size for file in path.iterdir()) for path in paths} and all(
        one.created.endswith("Z") for one in listed
    )
    assert clear(machine) == sum(sizes.values()) + 5
    assert entries(machine) == [] and left(tmp_path) == [] and clear(machine) == 0


def test_a_name_from_two_folders_is_safe_as_a_folders_name(machine: Settings, source: Checkpoint) -> None:
    path = store(machine, replace(source, name="alice/Tiny: VL"), "int8", False, save)
    assert path.name.startswith("alice_Tiny_VL-int8-")


def test_the_cache_is_no_checkpoint_of_the_persons_own(machine: Settings, source: Checkpoint) -> None:
    from vramwise.weights import local_checkpoints

    store(machine, source, "int8", False, save)
    assert local_checkpoints(machine, {"tiny"}) == []
