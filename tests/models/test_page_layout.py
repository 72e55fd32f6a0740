"""Pages read by their layout: PP-DocLayoutV3's real class finds blocks, a real reader reads them."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("torchvision")

from rapidfuzz.distance import Levenshtein  # noqa: E402
from vramwise import ModelLoader  # noqa: E402
from vramwise.catalog.layout import layout_models  # noqa: E402
from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.models import layout  # noqa: E402
from vramwise.models.handle import ocr_handle, release_all  # noqa: E402
from vramwise.models.hybrid import with_hybrid  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.hybrid import layout_net  # noqa: E402
from vramwise.ocr.vlm import engine as vlm_engine  # noqa: E402

from devtools.tiny_models.build import held_out, tiny_checkpoint, trained_checkpoint  # noqa: E402
from devtools.tiny_models.layout import LABELS  # noqa: E402

Box = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory, built: Callable[..., Path]
) -> Iterator[Callable[[str], Any]]:
    """``models(name)``: a loaded reader; the layout net's folder is beside it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(built(tiny_checkpoint, "pp_doclayout_v3"), folder / "PP-DocLayoutV3_safetensors")
    shutil.copytree(built(tiny_checkpoint, "paddleocr_vl"), folder / "PaddleOCR-VL")
    shutil.copytree(built(tiny_checkpoint, "glm_ocr"), folder / "GLM-OCR")
    shutil.copytree(trained_checkpoint("qwen3_vl"), folder / "qwen3_vl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VRAMWISE_MODELS", str(folder))
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
            patch.setenv(name, str(folder / "nobody"))
        release_all()
        yield lambda name: ModelLoader.load_model(name, precision="bf16")
        release_all()
    torch.set_num_threads(threads)


def says(net: Any, blocks: Sequence[tuple[str, Box]], width: int, height: int) -> Any:
    """The hook that has the real net say ``blocks``, in this order; ends with ``remove()``."""

    def instead(module: Any, given: Any, out: Any) -> Any:
        logits, boxes = torch.full_like(out.logits, -9.0), torch.full_like(out.pred_boxes, 0.5)
        order = torch.full_like(out.order_logits, 9.0)
        places = list(reversed(range(len(blocks))))  # the queries come in another order than the blocks
        for place, (label, (left, top, right, bottom)) in zip(places, blocks, strict=True):
            logits[0, place, LABELS.index(label)] = 6.0
            centre = (left + right) / 2 / width, (top + bottom) / 2 / height
            boxes[0, place] = torch.tensor([*centre, (right - left) / width, (bottom - top) / height])
        for first in places:
            for second in range(first + 1, len(places)):
                order[0, first, second] = -9.0  # the later query is read first
        out.logits, out.pred_boxes, out.order_logits = logits, boxes, order
        out.out_masks = torch.full_like(out.out_masks, 9.0)
        return out

    return net.register_forward_hook(instead)


def forget() -> None:
    """The next reading opens the net anew."""
    layout._Nets.opened.clear()
    gc.collect()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``shown(blocks, page)``: what the net finds on the page from now on."""
    hooks: list[Any] = []

    def show(blocks: Sequence[tuple[str, Box]], page: Any) -> None:
        height, width = page.shape[:2]
        load = layout_net.load_layout_net

        def loaded(spec: Any) -> Any:
            net = load(spec)
            hooks.append(says(net, blocks, width, height))
            return net

        forget()
        monkeypatch.setattr(layout_net, "load_layout_net", loaded)

    yield show
    forget()
    for hook in hooks:
        hook.remove()


PAGE: list[tuple[str, Box]] = [
    ("doc_title", (40, 20, 360, 60)),
    ("text", (40, 80, 360, 160)),
    ("table", (40, 180, 360, 260)),
    ("display_formula", (40, 280, 360, 320)),
    ("chart", (40, 340, 200, 440)),
    ("image", (220, 340, 360, 440)),
    ("text", (40, 460, 360, 540)),
    ("number", (190, 560, 210, 580)),
]


def inked(blocks: Sequence[tuple[str, Box]]) -> Any:
    page = np.full((600, 400, 3), 255, np.uint8)
    for _, (left, top, right, bottom) in blocks:
        page[top + 2 : bottom - 2 : 9, left + 2 : right - 2 : 2] = 0
    return page


@pytest.mark.parametrize(
    ("reader", "prompts"),
    [
        ("paddleocr_vl", {"OCR:": 4, "Table": 1, "Formula": 1, "Chart": 1}),
        ("glm_ocr", {"Text": 4, "Table": 1, "Formula": 1}),
    ],
)
def test_each_block_is_asked_by_its_kind_and_stays_in_the_nets_order(
    reader: str,
    prompts: dict[str, int],
    models: Callable[[str], Any],
    shown: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = inked(PAGE)
    shown(PAGE, page)
    asked: dict[str, list[int]] = {}
    generate = vlm_engine._Reading._generate

    def counted(self: Any, images: Any) -> Any:
        asked.setdefault(self.prompt.partition(" ")[0], []).append(len(images))
        return generate(self, images)

    monkeypatch.setattr(vlm_engine._Reading, "_generate", counted)
    (result,) = models(reader).read([page], hybrid="layout", max_new_tokens=6)
    assert {prompt: sum(sizes) for prompt, sizes in asked.items()} == prompts
    assert max(asked[next(iter(prompts))]) == 4, "the blocks of a kind are one batch"
    assert [region.category for region in result.regions] == [label for label, _ in PAGE]
    boxes = [region.box for region in result.regions]
    assert np.allclose(boxes, [box for _, box in PAGE], atol=0.01)
    assert result.regions[5].text == ""
    assert result.model == f"layout PP-DocLayoutV3 + {reader}"


def test_letters_come_from_the_reader_and_their_order_from_the_net(
    models: Callable[[str], Any], shown: Callable[..., Any]
) -> None:
    lines = [(np.asarray(picture.convert("RGB")), text) for picture, text in held_out("qwen3_vl")[:6]]
    page = np.full((700, 500, 3), 255, np.uint8)
    blocks: list[tuple[str, Box]] = []
    for number, (line, _) in enumerate(lines):
        height, width = line.shape[:2]
        top = 30 + number * 110
        page[top : top + height, 20 : 20 + width] = line
        blocks.append(("doc_title" if number == 5 else "text", (20, top, 20 + width, top + height)))
    blocks, truth = blocks[::-1], [text for _, text in lines][::-1]
    shown(blocks, page)
    (result,) = models("qwen3_vl").read([page], hybrid="layout")
    assert Levenshtein.distance(result.text, "\n".join(truth)) <= 2
    assert result.markdown.startswith(f"# {result.regions[0].text}\n\n")
    assert [region.order for region in result.regions] == list(range(6))


def test_the_real_net_finds_the_same_again_after_it_was_let_go(
    models: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights find something only below the usual threshold."""
    monkeypatch.setattr(layout_net, "THRESHOLD", 0.02)
    net = layout.open_layout(models("paddleocr_vl").handle)
    page = inked(PAGE)
    first = net.blocks(page, NoProgress())
    assert net.owner.resident_bytes() > 0 and release_all() > 0 and net.owner.resident_bytes() == 0
    assert net.blocks(page, NoProgress()) == first != []
    assert all(0 <= left < right <= 400 for left, _, right, _ in (block.box for block in first))


def test_the_net_goes_with_the_last_reader_that_pages_were_read_with(models: Callable[[str], Any]) -> None:
    forget()
    first, second = (ocr_handle(name, "bf16") for name in ("paddleocr_vl", "glm_ocr"))
    nets = [layout.open_layout(with_hybrid(reader, "layout").reader) for reader in (first, second)]
    residence = nets[0].owner.residence
    assert nets[1].owner is nets[0].owner, "one set of weights for both"
    nets[0].blocks(inked(PAGE[:1]), NoProgress())
    assert layout.release_nets() and residence.held() == (0, 0) and not layout.release_nets()
    nets[1].blocks(inked(PAGE[:1]), NoProgress())
    nets.clear()
    del first
    assert residence.resident_bytes() > 0
    del second
    gc.collect()
    assert residence.closed and residence.held() == (0, 0)


def test_a_page_on_which_nothing_is_found_is_read_as_one(models: Callable[[str], Any]) -> None:
    page = inked(PAGE[:1])
    (result,) = models("paddleocr_vl").read([page], hybrid="layout", max_new_tokens=4)
    assert result.regions[0].box == (0, 0, 400, 600)
    assert "found no blocks" in result.notes[0]


def test_cancel_is_heard_while_blocks_are_looked_for(models: Callable[[str], Any]) -> None:
    class Stopped(NoProgress):
        def check(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(
            with_hybrid(models("paddleocr_vl").handle, "layout").read([inked(PAGE)], ReadOptions(), Stopped())
        )


def test_the_readers_plan_leaves_room_for_the_net(models: Callable[[str], Any]) -> None:
    row = layout_models()[0]
    handle = ocr_handle("glm_ocr")
    beside = with_hybrid(handle, "layout").reader
    assert beside.request.beside_bytes == (row.weight_bytes or 0) + row.activation_bytes > 0
    assert beside._live is handle._live, "one live model"
    said = with_hybrid(ocr_handle("glm_ocr"), "layout").plan()
    assert "PP-DocLayoutV3 finds the blocks on cpu" in said and "leaves room for it" in said


@pytest.mark.parametrize("spoil", ["gone", "cut"])
def test_a_net_that_is_missing_or_damaged_is_a_sentence(
    spoil: str, models: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = models("paddleocr_vl").handle
    if spoil == "cut":
        folder = tmp_path / "PP-DocLayoutV3_safetensors"
        shutil.copytree(tiny_checkpoint("pp_doclayout_v3"), folder)
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:100_000])
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path))
    with pytest.raises(VramwiseError, match="download pp_doclayout_v3"):
        next(with_hybrid(reader, "layout").read([inked(PAGE)]))
    assert "download pp_doclayout_v3" in with_hybrid(reader, "layout").plan()


def test_the_catalogs_bytes_are_those_of_the_class() -> None:
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "PPDocLayoutV3Config"):
        pytest.skip(f"transformers {transformers.__version__} has no PPDocLayoutV3.")
    with torch.device("meta"):
        net = transformers.PPDocLayoutV3ForObjectDetection(
            transformers.PPDocLayoutV3Config(num_labels=len(LABELS))
        )
    held = [*net.parameters(), *net.buffers()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in held)
    assert layout_models()[0].weight_bytes == pytest.approx(size, rel=0.005)
