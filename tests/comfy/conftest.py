"""Graphs, pictures and yardsticks for the tests on a real server."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from PIL import Image

    from devtools.comfy.client import ComfyClient

ROOT = Path(__file__).resolve().parents[2]
_numbers = itertools.count(1)


class Graph(dict[str, dict[str, Any]]):
    """An API prompt under construction. Nodes are known by the names that the test gives them."""

    def node(self, name: str, class_type: str, **inputs: Any) -> Graph:
        self[name] = {"class_type": class_type, "inputs": inputs}
        return self

    def picture(self, name: str, file: str) -> Graph:
        return self.node(name, "LoadImage", image=file)

    def loader(self, name: str = "loader", **changed: str) -> Graph:
        given = {"model": "rapid", "precision": "auto", "attention": "auto", "device": "auto", **changed}
        return self.node(name, "VramwiseOCRModelLoader", **given)

    def read(self, name: str, image: str | list[Any], **options: Any) -> Graph:
        return self.node(
            name, "VramwiseOCR", image=[image, 0] if isinstance(image, str) else image, **options
        )

    def release(
        self, name: str = "release", what: str = "ocr models", refresh: int = 0, **more: Any
    ) -> Graph:
        return self.node(name, "VramwiseMemoryRelease", what=what, refresh=refresh, **more)

    def show(self, name: str, source: str, slot: int = 0) -> Graph:
        return self.node(name, "PreviewAny", source=[source, slot])


@pytest.fixture(scope="module", autouse=True)
def nothing_resident(request: pytest.FixtureRequest) -> None:
    """Each file begins with nothing of ours in memory, whichever used the server before it. One with a server
    of its own has a `client` of its own.
    """
    if hasattr(request.module, "client"):
        return
    its = (item for item in request.session.items if getattr(item, "module", None) is request.module)
    if any("client" in getattr(item, "fixturenames", ()) for item in its):
        client = request.getfixturevalue("client")
        assert client.request("/vramwise/evict", {"all": True}).status == 200


@pytest.fixture
def graph() -> Graph:
    """An empty prompt."""
    return Graph()


@pytest.fixture(scope="session")
def new_graph() -> type[Graph]:
    """For a test that needs several prompts."""
    return Graph


@pytest.fixture
def fresh() -> Iterator[int]:
    """Numbers that no prompt of this run has used: as `refresh`, or as a `prompt` that nothing has cached."""
    return _numbers


@pytest.fixture(scope="session")
def read_text() -> Callable[[], dict[str, dict[str, Any]]]:
    """workflows/api/read_text.json, a new copy at each call."""
    text = (ROOT / "workflows" / "api" / "read_text.json").read_text(encoding="utf-8")
    return lambda: json.loads(text)


@pytest.fixture(scope="session")
def sample_text() -> str:
    """What assets/vramwise_sample.png says."""
    from devtools.draw_assets import SAMPLE_TEXT

    return SAMPLE_TEXT


@pytest.fixture(scope="session")
def font(require: Callable[[object, str], None]) -> Callable[[int], Any]:
    """DejaVu Sans, which has Latin and Cyrillic letters, in a size in pixels."""
    from PIL import ImageFont

    path = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
    try:
        ImageFont.truetype(str(path) if path.is_file() else "DejaVuSans.ttf", 20)
    except OSError:
        require(False, "The font DejaVu Sans is missing: on Debian, apt install fonts-dejavu.")
    return lambda size: ImageFont.truetype(str(path) if path.is_file() else "DejaVuSans.ttf", size)


@pytest.fixture(scope="session")
def draw(font: Callable[[int], Any]) -> Callable[..., Image.Image]:
    """``draw(lines, size=..., letters=...)``: black lines of text on a white RGB page."""
    from PIL import Image, ImageDraw

    def page(lines: Sequence[str], size: tuple[int, int] = (720, 360), letters: int = 30) -> Image.Image:
        picture = Image.new("RGB", size, "white")
        pen = ImageDraw.Draw(picture)
        for row, line in enumerate(lines):
            pen.text((40, 40 + row * 2 * letters), line, font=font(letters), fill="black")
        return picture

    return page


@pytest.fixture(scope="session")
def put(client: ComfyClient, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``put(picture)``: hand a PIL image (as PNG) or raw bytes to the server; answers the name LoadImage
    takes."""
    folder = tmp_path_factory.mktemp("pictures")

    def upload(picture: Image.Image | bytes, suffix: str = ".png") -> str:
        path = folder / f"picture_{next(_numbers)}{suffix}"
        if isinstance(picture, bytes):
            path.write_bytes(picture)
        else:
            picture.save(path)
        return client.upload(path)

    return upload


@pytest.fixture(scope="session")
def fetch(client: ComfyClient) -> Callable[[dict[str, str]], Image.Image]:
    """``fetch(entry)``: the picture behind one entry of an `images` output, by GET /view."""
    from PIL import Image

    return lambda entry: Image.open(io.BytesIO(client.view(entry)))


@pytest.fixture(scope="session")
def errors_per_character() -> Callable[[str, str], float]:
    """``errors_per_character(read, truth)``: edit distance over the length of the truth, white space
    folded."""
    from rapidfuzz.distance import Levenshtein

    def rate(read: str, truth: str) -> float:
        read, truth = " ".join(read.split()), " ".join(truth.split())
        return Levenshtein.distance(read, truth) / len(truth)

    return rate
