"""Many cases of a kind, in processes that may die of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any

from devtools.paths import ROOT

_GIVE_UP_AFTER = 20  # processes of one kind that died


@dataclass
class Tally:
    """How the cases of a kind ended. `faults` are (case, what happened); `most_bytes` is the highest peak
    of a case above the start.
    """

    kind: str
    tries: int = 0
    results: int = 0
    sentences: int = 0
    most_bytes: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def row(self) -> str:
        """The row of docs/reliability.md."""
        command = f"`python -m devtools.fuzzing {self.kind} --count {self.tries}`"
        counts = (self.tries, self.results, self.sentences, len(self.faults))
        return f"| {self.kind} | {command} | {' | '.join(f'{count:,}' for count in counts)} |"

    def take(self, record: dict[str, Any]) -> None:
        self.tries += 1
        self.most_bytes = max(self.most_bytes, record.get("bytes", 0))
        if record["outcome"] == "result":
            self.results += 1
        elif record["outcome"] == "sentence":
            self.sentences += 1
        else:
            self.faults.append((record["case"], record["said"]))


def try_kind(kind: str, count: int, first: int = 0) -> Tally:
    """`count` cases of `kind` from number `first` on."""
    tally, at, deaths = Tally(kind), first, 0
    while at < first + count and deaths < _GIVE_UP_AFTER:
        died, begun = _process(kind, at, first + count - at, tally)
        if not died:
            break
        deaths += 1
        if begun < 0:
            tally.faults.append((-1, f"no case was begun: {died}"))
            break
        tally.take({"case": begun, "outcome": "fault", "said": died})
        at = begun + 1
    return tally


def _process(kind: str, first: int, count: int, tally: Tally) -> tuple[str, int]:
    """What the process died of (empty: nothing) and the case that it had begun."""
    command = [
        sys.executable,
        "-m",
        "devtools.fuzzing.attempts",
        kind,
        "--first",
        str(first),
        "--count",
        str(count),
    ]
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
    }
    begun = done = -1
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            record = json.loads(line)
            if "begun" in record:
                begun = record["begun"]
            else:
                tally.take(record)
                done = record["case"]
        code = process.wait()
        errors.seek(0)
        said = errors.read()
    if code == 0:
        return "", begun
    if begun == done:
        return f"exit {code} between two cases\n{said[-3000:]}", -1 if begun < 0 else begun
    ended = signal.Signals(-code).name if code < 0 else f"exit {code}"
    hang = "a hang: " if "Timeout (" in said else ""
    return f"{hang}{ended}\n{said[-3000:]}", begun
