"""Folders as their authors publish them: named right, asked right, read right, by tiny weights of the real
class. What the net says is forced token by token; everything else is the way that a graph takes.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForImageTextToText, AutoTokenizer, LogitsProcessor  # noqa: E402
from vramwise import ocr_handle  # noqa: E402
from vramwise.families.family import Sampling, family, recipes  # noqa: E402
from vramwise.models.handle import OCRHandle, release_all  # noqa: E402
from vramwise.ocr.engines.protocol import ReadOptions  # noqa: E402
from vramwise.ocr.results.result import OCRResult  # noqa: E402
from vramwise.ocr.vlm.adapter import Adapter  # noqa: E402
from vramwise.ocr.vlm.decoding import SeededDraw  # noqa: E402
from vramwise.settings import load_settings  # noqa: E402

from devtools.tiny_models.build import talkative_checkpoint, tiny_checkpoint  # noqa: E402

PAGE = np.full((400, 600, 3), 255, np.uint8)
PAGE[100:140, 60:300] = 0


@dataclass(frozen=True)
class Case:
    """A folder ``named`` with tiny weights of ``family``; its task, a piece of the prompt that the net is
    given, what the net answers, and of the result its text and first region (text, category, box in pixels).
    """

    recipe: str
    family: str
    named: str
    task: str
    asked: str
    answer: str
    text: str
    region: tuple[str, str, tuple[int, int, int, int]] | None = None
    tokens: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)


LOCS = tuple(f"<|LOC_{n}|>" for n in (100, 250, 500, 350))
BOX = ("<|box_start|>", "<|box_end|>", "<|ref_start|>", "<|ref_end|>", "<|rotate_up|>")
CASES = (
    Case("olmocr_2", "qwen2_5_vl", "olmOCR-2-7B-1025", "markdown", "front matter section on top",
         "---\nprimary_language: en\nis_rotation_valid: True\n---\n# A page\nwords", "# A page\nwords"),
    Case("olmocr_2", "qwen2_5_vl", "olmOCR-2-7B-1025-FP8", "text", "Just return the plain text", "words",
         "words"),
    Case("nanonets_ocr", "qwen2_5_vl", "Nanonets-OCR-s", "text", "as if you were reading it naturally",
         "<page_number>4</page_number>\nwords", "4\nwords"),
    Case("nanonets_ocr", "qwen2_5_vl", "Nanonets-OCR2-3B", "table", "Only return HTML table within",
         "<table><tr><td>1</td></tr></table>", "<table><tr><td>1</td></tr></table>"),
    Case("mineru_2_5", "qwen2_vl", "MinerU2.5-2509-1.2B", "layout", "\nLayout Detection:",
         "<|box_start|>100 250 500 350<|box_end|><|ref_start|>title<|ref_end|><|rotate_up|>", "",
         ("", "title", (60, 100, 300, 140)), BOX),
    Case("mineru_2_5", "qwen2_vl", "weights", "table", "\nTable Recognition:", "<fcel>a<fcel>b<nl>",
         "<table><tr><td>a</td><td>b</td></tr></table>", None, (*BOX, "<fcel>", "<nl>")),
    Case("mineru_2_5_pro", "qwen2_vl", "MinerU2.5-Pro-2604-1.2B", "chart", "\nImage Analysis:", "a", "a"),
    Case("chandra", "qwen3_vl", "chandra", "layout", "normalized 0-1024",
         '<div data-bbox="[102, 256, 512, 358]" data-label="Text"><p>words</p></div>', "words",
         ("words", "text", (60, 100, 300, 140))),
    Case("chandra_2", "qwen3_5", "chandra-ocr-2", "markdown", "x0 y0 x1 y1 format",
         '<div data-bbox="100 250 500 350" data-label="Section-Header"><h2>words</h2></div>', "## words",
         ("## words", "section-header", (60, 100, 300, 140))),
    Case("dots_mocr", "dots_ocr", "DotsMOCR", "spotting", "Detect and recognize the text in the image.",
         "(56,112),(280,112),(280,168),(56,168) words", "words", ("words", "text", (0, 0, 0, 0))),
    Case("lighton_ocr_2_bbox", "lighton_ocr", "LightOnOCR-2-1B-bbox", "markdown", "",
         "words\n![image](image_1.png)100,250,500,350", "words\n![image](image_1.png)",
         ("", "picture", (60, 100, 300, 140))),
    Case("lighton_ocr_3", "lighton_ocr", "LightOnOCR-3-1B", "layout", "grounding",
         "![text](100,250,500,350) words", "words", ("words", "text", (60, 100, 300, 140))),
    Case("lighton_ocr_3_qwen", "qwen3_5", "LightOnOCR-3-4B", "layout", "grounding",
         "![title](100,250,500,350) words", "words", ("words", "title", (60, 100, 300, 140))),
    Case("paddleocr_vl_1_5", "paddleocr_vl", "PaddleOCR-VL-1.5", "spotting", "Spotting:",
         "words" + "".join(LOCS), "words", ("words", "text", (60, 100, 300, 140)), LOCS),
    Case("paddleocr_vl_1_6", "paddleocr_vl", "PaddleOCR-VL-1.6", "seal", "Seal Recognition:", "a b", "a b"),
    Case("granite_docling", "idefics3", "granite-docling-258M", "text", "Convert this page to docling.",
         "<doctag><text><loc_0><loc_500>words</text></doctag>", "words"),
    Case("granite_docling", "idefics3", "weights", "text", "Convert this page to docling.", "words", "words"),
    Case("hunyuan_vl", "hunyuan_vl", "HunyuanOCR", "spotting", "output the text coordinates in a formatted",
         "words(100,250),(500,350)", "words", ("words", "text", (60, 100, 300, 140))),
    Case("deepseek_ocr2", "deepseek_ocr2", "DeepSeek-OCR-2", "markdown", "<|grounding|>Convert the document",
         "<|ref|>title<|/ref|><|det|>[[100, 250, 500, 350]]<|/det|>\n# words", "# words",
         ("# words", "title", (60, 100, 300, 140))),
    Case("smoldocling", "idefics3", "SmolDocling-256M-preview", "text", "Convert this page to docling.",
         "<doctag><text>words</text></doctag>", "words"),
    Case("nanonets_ocr_1_5b", "qwen2_vl", "Nanonets-OCR2-1.5B-exp", "text", "as if you were reading it",
         "<watermark>COPY</watermark>\nwords", "COPY\nwords"),
    Case("rolmocr", "qwen2_5_vl", "RolmOCR-AWQ", "markdown", "Return the plain text representation", "# a\nb",
         "# a\nb"),
    Case("olmocr_1", "qwen2_vl", "olmOCR-7B-0225-preview", "text", "RAW_TEXT_START\n\nRAW_TEXT_END",
         '{"primary_language": "en", "natural_text": "# a\\nb"}', "# a\nb"),
    Case("olmocr_0725", "qwen2_5_vl", "olmOCR-7B-0725-FP8", "text", "RAW_TEXT_START\n\nRAW_TEXT_END",
         "---\nprimary_language: en\n---\nwords", "words"),
    Case("typhoon_ocr", "qwen2_5_vl", "typhoon-ocr-7b", "markdown", "a single key `natural_text`",
         '{"natural_text": "words"}', "words"),
    Case("typhoon_ocr_1_5", "qwen3_vl", "typhoon-ocr1.5-2b", "text", "Describe in Thai.",
         "<figure>\na chart\n</figure>\nwords\n<page_number>3</page_number>", "a chart\n\nwords\n3"),
    Case("numarkdown", "qwen2_5_vl", "NuMarkdown-8B-Thinking", "markdown", "",
         "<think>A table?</think>\n<answer># words</answer>", "# words"),
    Case("ocrflux", "qwen2_5_vl", "OCRFlux-3B", "text", "(left,top),(right,bottom)",
         '{"natural_text": "# a\\n\\n<Image>(1,2),(30,40)</Image>\\nb"}', "# a\n\nb"),
    Case("infinity_parser", "qwen2_5_vl", "Infinity-Parser-7B", "markdown", "transform the document",
         "# a", "# a"),
    Case("infinity_parser_2", "qwen3_5", "Infinity-Parser2-Flash", "layout", "Sort all layout elements",
         '[{"bbox": [100, 250, 500, 350], "category": "title", "text": "words"}]', "words",
         ("words", "title", (60, 100, 300, 140))),
    Case("qari_ocr", "qwen2_vl", "Qari-OCR-0.2.2.1-VL-2B-Instruct-merged", "text", "Do not hallucinate.",
         "words", "words"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A models folder, and nothing else of this machine."""
    torch.set_num_threads(1)
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path / "models"))
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "VRAMWISE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    release_all()
    yield
    release_all()


def published(folder: Path, tokens: tuple[str, ...]) -> Path:
    """``folder`` with special ``tokens`` in its vocabulary, and rows of the net for them."""
    words = AutoTokenizer.from_pretrained(folder)
    if [token for token in tokens if len(words.encode(token, add_special_tokens=False)) > 1]:
        words.add_special_tokens({"additional_special_tokens": list(tokens)}, False)
        words.save_pretrained(folder)
        net = AutoModelForImageTextToText.from_pretrained(folder)
        net.resize_token_embeddings(len(words))
        net.save_pretrained(folder)
    return folder


class Says(LogitsProcessor):  # type: ignore[misc]
    """The tokens of an answer, one after another."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = iter(ids)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        out = torch.full_like(scores, float("-inf"))
        out[:, next(self.ids)] = 0.0
        return out


def read(
    handle: OCRHandle, options: ReadOptions, answer: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[OCRResult, str]:
    """What comes of ``answer``, and the prompt that the net was given."""
    prompts = []
    run = Adapter.run
    adapter = handle._engine(load_settings()).adapter()

    def forced(net: Any, tensors: dict[str, Any], decoding: dict[str, Any]) -> None:
        ids = tensors["input_ids"][0]
        prompts.append(adapter.tokenizer.decode(ids))
        says = [*adapter.tokenizer.encode(answer, add_special_tokens=False), adapter.stop_ids()[0]]
        run(net, tensors, {**decoding, "logits_processor": [Says(says)]})

    monkeypatch.setattr(type(adapter), "run", staticmethod(forced))
    (result,) = handle.read([PAGE], options)
    return result, prompts[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.named}-{case.task}")
def test_a_folder_as_published_is_named_asked_and_read_as_its_authors_do(
    case: Case, tmp_path: Path, built: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / case.named
    shutil.copytree(built(tiny_checkpoint, case.family), folder)
    published(folder, case.tokens)
    handle = ocr_handle(case.named, "bf16", device="cpu")
    its = family(case.recipe)
    said = f"Asked as {its.name}, by its authors' prompts (licence: {its.licence}"
    assert (said in handle.plan()) == bool(its.licence)
    result, prompt = read(handle, ReadOptions(task=case.task), case.answer, monkeypatch)
    assert case.asked in prompt
    assert result.text == case.text
    assert any(said in note for note in result.notes) == bool(its.licence)
    if case.region is None:
        return
    text, category, box = case.region
    found = result.regions[0]
    xs, ys = zip(*found.polygon, strict=True)
    assert (found.text, found.category) == (text, category)
    if any(box):
        assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx(box, abs=1)


def test_every_recipe_has_a_folder_of_its_own_here() -> None:
    assert {case.recipe for case in CASES if family(case.recipe).of} == {row.id for row in recipes()}


def test_a_plain_idefics3_is_not_called_granite_docling(
    tmp_path: Path, built: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "my_reader"
    shutil.copytree(built(tiny_checkpoint, "idefics3"), folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        if (folder / name).exists():
            text = (folder / name).read_text(encoding="utf-8")
            (folder / name).write_text(text.replace("doctag>", "other>"), encoding="utf-8")
    handle = ocr_handle("my_reader", "bf16", device="cpu")
    result, prompt = read(handle, ReadOptions(), "words", monkeypatch)
    assert "docling" not in handle.plan().lower() and "docling" not in prompt
    assert "Nothing in my_reader says which model it is: it is asked as Idefics3" in handle.plan()
    assert result.text == "words" and any("Idefics3 in general" in note for note in result.notes)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "Qwen2.5-VL in general"),
        ({"config.json": {"_name_or_path": "allenai/olmOCR-2-7B-1025"}}, "Asked as olmOCR-2"),
        ({"config.json": {"_name_or_path": "Qwen/Qwen2.5-VL-7B-Instruct"}}, "Qwen2.5-VL in general"),
        ({".vramwise.json": {"repo": "nanonets/Nanonets-OCR2-3B"}}, "Asked as Nanonets-OCR"),
        ({"README.md": "---\na: x\nbase_model: allenai/olmOCR-2-7B-1025\n---\n"}, "Asked as olmOCR-2"),
        ({"README.md": "---\nbase_model:\n- nanonets/Nanonets-OCR-s\n---\n"}, "Asked as Nanonets-OCR"),
        ({"README.md": "# olmOCR-2-7B-1025-FP8\n"}, "Asked as olmOCR-2"),
        ({"config.json": {"_name_or_path": 7}, "README.md": "\xff"}, "Qwen2.5-VL in general"),
    ],
)  # fmt: skip
def test_a_renamed_folder_is_known_by_what_its_files_say(
    files: dict[str, Any], expected: str, tmp_path: Path, built: Callable[..., Path]
) -> None:
    folder = tmp_path / "models" / "ocr"
    shutil.copytree(built(tiny_checkpoint, "qwen2_5_vl"), folder)
    for name, content in files.items():
        if isinstance(content, dict):
            before = json.loads((folder / name).read_text("utf-8")) if (folder / name).exists() else {}
            content = json.dumps({**before, **content})
        (folder / name).write_text(content, encoding="latin-1")
    assert expected in ocr_handle("ocr", "bf16", device="cpu").plan()


def test_lighton_is_drawn_from_and_a_page_stays_the_same(tmp_path: Path, built: Callable[..., Path]) -> None:
    folder = built(talkative_checkpoint, "lighton_ocr", tmp_path / "models" / "LightOnOCR-2-1B")
    handle = ocr_handle(folder.name, "bf16", device="cpu")
    texts = []
    for draws in (None, handle._engine(load_settings()).adapter().family.sampling):
        engine = handle._engine(load_settings())
        engine.adapter().family = replace(engine.family, sampling=draws)
        for _ in range(2):
            torch.rand(7)
            texts.append(next(iter(handle.read([PAGE], ReadOptions(max_new_tokens=12)))).text)
    greedy, again, drawn, once_more = texts
    assert greedy == again != drawn == once_more


def test_a_row_is_drawn_the_same_alone_and_among_others() -> None:
    rows = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    together = SeededDraw(Sampling(1.0, 0.9, seed=5), 3)
    alone = SeededDraw(Sampling(1.0, 0.9, seed=5), 1)
    for _ in range(20):
        assert together(None, rows)[1].argmax() == alone(None, rows[1:2])[0].argmax()


def test_a_draw_keeps_to_the_nucleus_and_takes_the_likeliest_when_cold() -> None:
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(400, 1)
    for temperature, top_p, expected in ((1.0, 0.9, {0, 1, 2}), (1.0, 0.4, {0}), (1e-6, 1.0, {0})):
        draw = SeededDraw(Sampling(temperature, top_p), 400)
        draw.numbers = [random.Random(number) for number in range(400)]
        assert set(draw(None, scores).argmax(-1).tolist()) == expected
