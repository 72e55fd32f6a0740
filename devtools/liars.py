"""Attacks by servers that lie, counted: mutated answers of endpoints, mutated listings of hubs, and downloads
that are killed at random moments. tests/ tries some, `python dev.py bench liars` two thousand.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.ocr.engines.protocol import ReadOptions
from vramwise.ocr.remote.endpoints import Endpoint
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.settings import Settings
from vramwise.weights import download_model, locate

from devtools.fakes.chat_server import MODEL as SERVED
from devtools.fakes.chat_server import chunk
from devtools.fakes.lying_hub import COMMIT, FILES, MODEL, Hub, siblings
from devtools.fakes.raw_server import RawServer, answer, saying
from devtools.fuzzing.mutator import mutated_bytes, mutated_json

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-liars-0123456789abcdef"


@dataclass
class Tally:
    """How tries ended. A fault is what is neither a result nor a sentence, with the number of its case."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def take(self, number: int, outcome: Any) -> None:
        said = str(outcome) if isinstance(outcome, VramwiseError) else ""
        if isinstance(outcome, BaseException) and not said:
            self.faults.append(f"{number}: {''.join(traceback.format_exception(outcome))[-2000:]}")
        elif KEY in said or "Traceback" in said or len(said) > 1500:
            self.faults.append(f"{number}: {said[:600]}")
        self.ends["sentence" if said else "fault" if isinstance(outcome, BaseException) else "result"] += 1


_STREAM = chunk({"role": "assistant"}) + chunk({"content": "Invoice 17\n"}) + chunk({"content": "Total"})
_WHOLE = {"message": {"content": [{"type": "text", "text": "a"}]}, "finish_reason": "stop"}
_ANSWERS = (
    (_STREAM + chunk({}, "stop", 5) + b"data: [DONE]\n\n", "text/event-stream"),
    (b"".join(line[6:] for line in (_STREAM + chunk({}, "length")).splitlines(True)), "application/x-ndjson"),
    (json.dumps({"choices": [_WHOLE], "usage": {"completion_tokens": 5}}).encode(), "application/json"),
    (json.dumps({"error": {"message": "stream_options", "param": None, "code": 400}}).encode(), "text/plain"),
)


def spoiled_answer(number: int) -> bytes:
    """One answer of an endpoint that is spoiled: in its JSON, its bytes, or its HTTP. The same each time."""
    chance = random.Random(number)  # noqa: S311 - not a secret
    body, kind = chance.choice(_ANSWERS)
    how = chance.randrange(4)
    if how == 0 and kind == "application/json":
        return answer(mutated_json(body, chance), Content_Type=kind)
    if how == 1:
        lines = body.split(b"\n")
        for at, line in enumerate(lines):
            if line.startswith(b"data: {") and chance.random() < 0.4:
                lines[at] = b"data: " + mutated_json(line[6:], chance)
        return answer(b"\n".join(lines), Content_Type=kind)
    if how == 2:
        return mutated_bytes(answer(body, Content_Type=kind), chance)
    status = chance.choice(("200 OK", "200 OK", "200 OK", "400 Bad Request"))
    return answer(mutated_bytes(body, chance), status, Content_Type=kind)


def spoiled_answers(count: int, first: int = 0) -> Tally:
    """``count`` pages read from an endpoint that sends spoiled answers; each is asked for once."""
    tally, page = Tally(), np.random.default_rng(7).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    number = [first]

    def say(path: str, _: dict[str, str], __: bytes) -> Iterable[bytes]:
        return [spoiled_answer(number[0])]

    policy = RetryPolicy(timeout=20.0, tries=1, first_tries=1, first_wait=0.0, longest_wait=0.0)
    with saying(say) as server:
        endpoint = Endpoint("studio", (f"{server.url}/v1",))
        engine = RemoteEngine(endpoint, KEY, SERVED, "auto", 1, policy)
        for number[0] in range(first, first + count):
            try:
                outcome: Any = next(engine.read_each([page], ReadOptions()))
            except Exception as error:
                outcome = error
            tally.take(number[0], outcome)
    return tally


def spoiled_listings(count: int, first: int = 0) -> Tally:
    """``count`` downloads from a hub whose listing is spoiled; what has a file's name must be that file."""
    tally, hub = Tally(), Hub()
    whole = json.dumps({"sha": COMMIT, "siblings": siblings()}).encode()
    with saying(hub) as server, _environment(HF_ENDPOINT=server.url, HF_TOKEN=KEY):
        for number in range(first, first + count):
            chance = random.Random(number)  # noqa: S311 - not a secret
            spoil = mutated_json if chance.random() < 0.7 else mutated_bytes
            hub.lies = {"listing": answer(spoil(whole, chance))}
            with tempfile.TemporaryDirectory() as place:
                try:
                    outcome: Any = download_model(MODEL, machine_of(Path(place)))
                except Exception as error:
                    outcome = error
                try:
                    nothing_is_half(Path(place), machine_of(Path(place)))
                except Exception as error:
                    outcome = error
            tally.take(number, outcome)
    return tally


def machine_of(place: Path) -> Settings:
    return Settings(places=Places(user_dir=place / "user", models_dirs=(place / "models",)))


def folder(place: Path) -> Path:
    return place / "models" / "LLM" / "Qwen3-VL-2B-Instruct"


def nothing_is_half(place: Path, machine: Settings) -> None:
    """What has its name is the true file, and the folder is not used unless it is whole. AssertionError."""
    inside = folder(place)
    for path in place.rglob("*"):
        if path.is_file():
            assert inside in path.parents, f"{path} is outside the folder"
            if path.suffix != ".part" and not path.name.startswith("."):
                assert path.read_bytes() == FILES[path.name], f"{path.name} is another file"
    if not all((inside / name).is_file() for name in FILES) or (inside / ".incomplete").exists():
        try:
            locate(MODEL, machine)
        except VramwiseError:
            return
        raise AssertionError("what is not whole is used")


_FETCH = """
import sys
from pathlib import Path
from devtools.fakes.lying_hub import MODEL
from devtools.liars import machine_of
from vramwise.weights import download_model

print(download_model(MODEL, machine_of(Path(sys.argv[1]))), flush=True)
"""


def fetching(place: Path) -> subprocess.Popen[str]:
    """A process that fetches the model from the hub that HF_ENDPOINT names."""
    command = [sys.executable, "-c", _FETCH, str(place)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_downloads(server: RawServer, place: Path, kills: int, look: Callable[[], None]) -> int:
    """Downloads that die by SIGKILL when the hub has sent a random number of bytes; how many did. ``look`` is
    called after each. The hub is honest afterwards.
    """
    chance = random.Random(9)  # noqa: S311 - not a secret
    victims: list[subprocess.Popen[str]] = []

    def say(path: str, headers: dict[str, str], body: bytes) -> Iterator[bytes]:
        whole = b"".join(Hub()(path, headers, body))
        at = chance.randrange(2 * len(whole)) if "/resolve/" in path else len(whole)
        yield whole[:at]
        if at < len(whole):
            victims[-1].send_signal(signal.SIGKILL)

    server.say, killed = say, 0
    for _ in range(8 * kills):
        victims.append(fetching(place))
        victims[-1].communicate(timeout=120)
        killed += victims[-1].returncode == -signal.SIGKILL
        look()
        if killed >= kills:
            break
        for name in FILES if not victims[-1].returncode else ():
            (folder(place) / name).unlink()  # it came through: begin anew
    server.say = Hub()
    return killed


def killed_downloads(kills: int) -> Tally:
    tally = Tally()
    with (
        tempfile.TemporaryDirectory() as place,
        saying(Hub()) as server,
        _environment(HF_ENDPOINT=server.url, HF_TOKEN=KEY),
    ):
        machine = machine_of(Path(place))

        def look() -> None:
            try:
                nothing_is_half(Path(place), machine)
            except AssertionError as error:
                tally.faults.append(str(error))

        tally.ends["killed"] = kill_downloads(server, Path(place), kills, look)
        tally.take(kills, download_model(MODEL, machine))
    return tally


class _environment:
    """os.environ with these values while the block runs."""

    def __init__(self, **values: str) -> None:
        self._values, self._before = values, dict(os.environ)

    def __enter__(self) -> None:
        os.environ.update(self._values)

    def __exit__(self, *_: object) -> None:
        for name in self._values:
            os.environ.pop(name, None)
            if name in self._before:
                os.environ[name] = self._before[name]
