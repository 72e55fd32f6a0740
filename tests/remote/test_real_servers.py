"""Against `transformers serve`, a real server with a real vision-language model, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise.families.family import family
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.remote import open_remote, resolve
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.ocr.vlm import load
from vramwise.ocr.vlm.engine import VLMEngine
from vramwise.ocr.vlm.limits import Limits
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner
from vramwise.settings import load_settings

from benchmarks.quality import error_rate
from devtools.fakes.transformers_server import TransformersServer
from devtools.tiny_models.build import held_out, trained_checkpoint

Endpoints = Callable[..., None]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return trained_checkpoint("qwen3_vl")


@pytest.fixture(scope="module")
def servers(
    checkpoint: Path, require: Callable[[object, str], None]
) -> Iterator[tuple[TransformersServer, TransformersServer]]:
    served = all(find_spec(name) for name in ("fastapi", "uvicorn"))
    require(served, "transformers serve is not complete: python -m pip install 'transformers[serving]'.")
    with TransformersServer(checkpoint) as one, TransformersServer(checkpoint) as two:
        one.start()
        two.start()
        one.wait()
        two.wait()
        yield one, two


def lines(count: int) -> list[Any]:
    """Printed lines, all different: the 200 held-out ones, then the same moved a little."""
    drawn = [np.asarray(picture) for picture, _ in held_out()]
    return [*drawn, *(np.roll(line, 2, axis=1) for line in drawn)][:count]


def read_here(checkpoint: Path, pages: list[Any], options: ReadOptions) -> list[str]:
    import torch

    torch.set_num_threads(1)
    row = family("qwen3_vl")
    spec = LoadSpec(model_type="qwen3_vl", precision="fp32", path=checkpoint, attention="sdpa", device="cpu")
    owner = PlainOwner(spec, lambda: load.load_net(spec, row), 0)
    engine = VLMEngine(row, checkpoint, owner, "here", "fp32", Limits(row.default_pixels))
    return [result.text for result in engine.read(pages, options, NoProgress())]


def test_50_pictures_read_by_a_real_server_say_what_the_local_engine_says(
    checkpoint: Path, servers: tuple[TransformersServer, TransformersServer], endpoints: Endpoints
) -> None:
    endpoints(studio={"urls": [servers[0].address], "model": str(checkpoint)})
    pages, options = lines(50), ReadOptions(max_new_tokens=12)
    results = list(open_remote("studio", concurrency=4).read(pages, options))
    texts = [result.text for result in results]
    assert texts == read_here(checkpoint, pages, options)
    assert all(texts) and error_rate(texts, [text for _, text in held_out()[:50]]) < 5, "it reads"
    assert all(result.tokens for result in results)
    plan = open_remote("studio").plan()
    assert "1 of 1 server answers now" in plan and "Qwen3-VL" in plan


def test_a_server_killed_in_the_middle_of_300_pictures_that_comes_back_changes_nothing(
    checkpoint: Path, servers: tuple[TransformersServer, TransformersServer], endpoints: Endpoints
) -> None:
    one, two = servers
    endpoints(studio={"urls": [one.address, two.address], "model": str(checkpoint)})
    pages, options = lines(300), ReadOptions(max_new_tokens=2)
    retry_policy = RetryPolicy(timeout=120.0, longest_wait=2.0)
    engine = RemoteEngine(resolve("studio", load_settings()), "", "", "auto", 4, retry_policy)
    undisturbed = [result.text for result in engine.read(pages, options, NoProgress())]
    assert two.answered() > 50, "both take part"

    texts: list[str] = []
    for result in engine.read(pages, options, NoProgress()):
        texts.append(result.text)
        if len(texts) == 100:
            two.kill()
        elif len(texts) == 150:
            two.start()  # which takes a while: pages go on meanwhile
        elif len(texts) == 220:
            two.wait()
    assert len(texts) == 300
    assert texts == undisturbed
    differ = sum(text != following for text, following in pairwise(texts))
    assert all(texts) and differ > 290, "a page in another's place would be seen"
    for _ in range(10):  # on a busy machine the other server may have read all the rest before it was back
        if two.answered() > 10:
            break
        assert len(list(engine.read(pages[:60], options, NoProgress()))) == 60
    assert two.answered() > 10, "the server that came back takes part again"
