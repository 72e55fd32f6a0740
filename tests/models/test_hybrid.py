"""Hybrid: the built-in engine's boxes, the model's letters, with the trained checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from rapidfuzz.distance import Levenshtein  # noqa: E402
from vramwise import ModelLoader  # noqa: E402
from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.models.handle import ocr_handle, release_all  # noqa: E402
from vramwise.models.hybrid import found_lines, with_hybrid  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.vlm import engine as vlm_engine  # noqa: E402

from devtools.tiny_models.build import held_out, trained_checkpoint  # noqa: E402

LINES = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The trained Qwen3-VL. It reads single lines of its own size and nothing else."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(trained_checkpoint("qwen3_vl"), folder / "qwen3_vl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VRAMWISE_MODELS", str(folder))
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
            patch.setenv(name, str(folder / "nobody"))
        release_all()
        yield ModelLoader.load_model("qwen3_vl", precision="bf16")
        release_all()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def drawn() -> tuple[Any, list[str]]:
    """A page with lines below one another, and what they say."""
    lines = [(np.asarray(picture.convert("RGB")), text) for picture, text in held_out("qwen3_vl")[:LINES]]
    page = np.full((LINES * 110 + 40, 460, 3), 255, np.uint8)
    for number, (line, _) in enumerate(lines):
        height, width = line.shape[:2]
        page[30 + number * 110 : 30 + number * 110 + height, 60 : 60 + width] = line
    return page, [text for _, text in lines]


def rate(read: str, truth: list[str]) -> float:
    return Levenshtein.distance(read, "\n".join(truth)) / len("\n".join(truth))


def test_letters_come_from_the_model_and_places_from_the_built_in_engine(
    model: Any, drawn: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, truth = drawn
    batches: list[int] = []
    generate = vlm_engine._Reading._generate

    def counted(self: Any, images: Any) -> Any:
        batches.append(len(images))
        return generate(self, images)

    monkeypatch.setattr(vlm_engine._Reading, "_generate", counted)
    (result,) = model.read([page], hybrid="lines")
    assert rate(result.text, truth) <= 0.03
    (alone,), (built_in,) = model.read([page]), ocr_handle("rapid").read([page])
    assert rate(alone.text, truth) > 0.5 and rate(built_in.text, truth) > rate(result.text, truth)
    assert sum(batches[:-1]) == LINES and len(batches) - 1 < LINES / 3, "lines are read together"
    found = {line.polygon for line in found_lines(page, None, NoProgress())}
    assert {region.polygon for region in result.regions} == found
    assert all(region.words for region in result.regions)
    assert (result.model, result.precision) == ("hybrid rapid + qwen3_vl", "bf16")
    same = [region for region in result.regions if region.confidence is not None]
    assert len(same) > 0 and all(region.text in built_in.text for region in same)


class Stopped(NoProgress):
    """Cancel at the third look."""

    looks = 0

    def check(self) -> None:
        self.looks += 1
        if self.looks > 2:
            raise KeyboardInterrupt

    def token(self, done: int, limit: int, text: str) -> None:
        self.check()


def test_cancel_is_heard_among_the_lines(model: Any, drawn: tuple[Any, list[str]]) -> None:
    stopped = Stopped()
    with pytest.raises(KeyboardInterrupt):
        list(with_hybrid(model.handle, "lines").read([drawn[0]], ReadOptions(), stopped))
    assert stopped.looks == 3


def test_a_blank_page_asks_nobody(model: Any) -> None:
    (result,) = model.read([np.full((300, 400, 3), 255, np.uint8)], hybrid="paragraphs")
    assert (result.finish_reason, result.regions) == ("blank", ())


def test_a_task_for_whole_pages_is_said_to_be_ignored(model: Any) -> None:
    (result,) = model.read([np.full((300, 400, 3), 255, np.uint8)], "table", hybrid="lines")
    assert "The task table is ignored" in result.notes[0]


@pytest.mark.parametrize("engine", ["rapid", "tesseract"])
def test_an_engine_that_finds_lines_itself_needs_no_hybrid(engine: str) -> None:
    with pytest.raises(VramwiseError, match=f"{engine} is no such model"):
        with_hybrid(ocr_handle(engine), "lines")
