"""Cases of one or more kinds, tried in this process: a line of JSON before each and one after.

The process dies of a hang (faulthandler needs no lock of the interpreter's to say where) or of a crash; the
campaign sees which case was begun, and starts another behind it.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import logging
import os
import re
import shutil
import tempfile
import traceback
from pathlib import Path
from typing import Any

from devtools.fuzzing.kinds import Place, case, kind

HANG_SECONDS = 10.0
GROWTH_BYTES = 1024**3
# Of addresses above the start: beyond it Python says MemoryError, and the machine lives.
LIMIT_BYTES = 4 * 1024**3
# Python's own words, which no person should have to read.
_RAW = re.compile(
    r"Traceback|<class |NoneType|object has no|object is not|unhashable type|indices must be|codec can't|"
    r"not supported between|unsupported operand|__init__|0x[0-9a-f]{8,}|takes \d+ positional|"
    r"unexpected keyword|\bb['\"][^'\"]*\\x[0-9a-f]{2}|bytearray\("
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST = 8_100


class Watch:
    """Memory and foreign files, before and after a case."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.files = self.seen()
        self.start_bytes = self._status("VmRSS")

    def begin(self, given: Path) -> None:
        self.files = self.seen(given)
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew

    def changed(self, given: Path) -> list[str]:
        now = self.seen(given)
        return sorted(
            {name for name, state in now.items() if self.files.get(name) != state}
            | self.files.keys() - now.keys()
        )

    def grown(self) -> int:
        """Bytes of the peak of this case above the start of all."""
        return self._status("VmHWM") - self.start_bytes

    def seen(self, but: Path | None = None) -> dict[str, tuple[int, int]]:
        found = {}
        for folder, folders, files in os.walk(self._root):
            folders[:] = [name for name in folders if name != "own" or Path(folder) != self._root]
            for name in files:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                if but is None or not path.startswith(str(but)):
                    found[path] = (status.st_size, status.st_mtime_ns)
        return found

    @staticmethod
    def _status(name: str) -> int:
        try:
            text = Path("/proc/self/status").read_text(encoding="ascii")
        except OSError:
            return 0
        return 1024 * int(text.split(f"{name}:")[1].split()[0])


def limit_addresses() -> None:
    try:
        import resource

        now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
        resource.setrlimit(resource.RLIMIT_AS, (now + LIMIT_BYTES, resource.RLIM_INFINITY))
    except (ImportError, OSError, ValueError):
        pass


def judged(sentence: str) -> str:
    """Why `sentence` is none; empty where it is one."""
    if not sentence.strip():
        return "an empty sentence"
    if len(sentence) > _LONGEST:
        return f"a sentence of {len(sentence)} characters"
    found = _RAW.search(sentence) or _CONTROL.search(sentence)
    return f"{found[0]!r} in the sentence" if found else ""


def attempt(name: str, number: int, data: bytes, sample: str, place: Place, watch: Watch) -> dict[str, Any]:
    from vramwise.errors import VramwiseError

    watch.begin(place.given)
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    outcome, said = "result", ""
    try:
        kind(name).attempt(data, sample, place)
    except VramwiseError as error:
        outcome, said = "sentence", str(error)
        if why := judged(said):
            outcome, said = "fault", f"{why}: {said[:400]}"
    except BaseException as error:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        outcome, said = "fault", "".join(lines)[-3000:]
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
    finally:
        faulthandler.cancel_dump_traceback_later()
    if changed := watch.changed(place.given):
        outcome, said = "fault", f"changed a foreign file: {', '.join(changed)[:400]}"
    elif (grown := watch.grown()) > GROWTH_BYTES:
        outcome, said = "fault", f"took {grown / 1024**2:.0f} MiB above the start"
    return {"kind": name, "case": number, "outcome": outcome, "said": said, "bytes": watch.grown()}


class Reports:
    """Lines for the campaign on what was standard output; what libraries print goes to standard error."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)

    def tell(self, record: dict[str, Any]) -> None:
        self._out.write(json.dumps(record) + "\n")
        self._out.flush()


def fresh_place(root: Path) -> Place:
    place = Place(root)
    for folder in (place.given, place.own, place.foreign):
        folder.mkdir()
    (place.foreign / "kept.txt").write_text("nobody's business", encoding="utf-8")
    (place.foreign / "kept.json").write_text("{}", encoding="utf-8")
    return place


def run(name: str, numbers: range) -> None:
    found = kind(name)
    reports = Reports()
    root = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    place = fresh_place(root)
    os.environ.update(
        HOME=str(root / "own"), XDG_CONFIG_HOME=str(root / "own"), XDG_CACHE_HOME=str(root / "own")
    )
    os.chdir(place.foreign)
    try:
        found.prepare(place)
        samples = place.kept.get("samples") or found.samples()
        for sample, data in samples.items():  # what is whole is a result, or the cases would try nothing
            found.attempt(data, sample, place)
        watch = Watch(root)
        limit_addresses()
        for number in numbers:
            sample, data = case(name, number, samples, found.spoil)
            reports.tell({"kind": name, "begun": number})
            reports.tell(attempt(name, number, data, sample, place, watch))
    finally:
        found.finish(place)
        os.chdir("/")
        shutil.rmtree(root, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="devtools.fuzzing.attempts")
    parser.add_argument("name")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    run(given.name, range(given.first, given.first + given.count))


if __name__ == "__main__":
    main()
