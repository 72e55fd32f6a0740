"""Recipes by name: of folders that are listed, of models that servers offer, and what a server is asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from vramwise.catalog import ocr_models
from vramwise.catalog.diffusion import licences
from vramwise.errors import VramwiseError
from vramwise.families.family import families, family, recipes
from vramwise.families.recipes import OwnWords, named, taken, with_recipe
from vramwise.ocr.images import as_asked
from vramwise.ocr.remote.chat_request import ChatRequest
from vramwise.ocr.remote.model_match import choose_family, family_ids
from vramwise.ocr.vlm.answers import KINDS, parse
from vramwise.option_values import TASKS
from vramwise.weights.own_words import own_words


def test_every_row_is_whole() -> None:
    for row in recipes():
        assert row.licence in licences(), row.id
        assert row.source and row.date and (row.found_by.names or row.found_by.tokens), row.id
        assert set(row.tasks) <= set(TASKS) and {task.parse for task in row.tasks.values()} <= set(KINDS)
        assert row.min_pixels <= row.default_pixels <= row.max_pixels, row.id
    ids = [row.id for row in (*families(), *recipes())]
    assert len(ids) == len(set(ids))


def test_the_catalog_names_the_recipe_that_a_download_of_it_would_be_told_by() -> None:
    for row in ocr_models():
        if row.repo:
            its = family(row.family)
            general = family(its.of or its.id)
            assert with_recipe(general, OwnWords(row.repo, (row.repo,))).id == row.family, row.id


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ("allenai/olmOCR-2-7B-1025-FP8", "olmocr_2"),
        ("olmocr2:7b-q8", "olmocr_2"),
        ("nanonets/Nanonets-OCR2-1.5B-exp", "nanonets_ocr"),
        ("benhaotang/Nanonets-OCR-s:latest", "nanonets_ocr"),
        ("opendatalab/MinerU2.5-2509-1.2B", "mineru_2_5"),
        ("mradermacher/MinerU2.5-Pro-2605-1.2B-GGUF", "mineru_2_5_pro"),
        ("datalab-to/chandra", "chandra"),
        ("chandra", "chandra_2"),
        ("datalab-to/chandra-ocr-2", "chandra_2"),
        ("rednote-hilab/dots.mocr", "dots_mocr"),
        ("rednote-hilab/dots.ocr-1.5", "dots_mocr"),
        ("rednote-hilab/dots.ocr", "dots_ocr"),
        ("lightonai/LightOnOCR-3-4B", "lighton_ocr_3_qwen"),
        ("lightonai/LightOnOCR-2-1B-bbox-soup", "lighton_ocr_2_bbox"),
        ("lightonai/LightOnOCR-1B-1025", "lighton_ocr"),
        ("PaddlePaddle/PaddleOCR-VL-1.6", "paddleocr_vl_1_6"),
        ("PaddlePaddle/PaddleOCR-VL", "paddleocr_vl"),
        ("ibm-granite/granite-docling-258M-mlx", "granite_docling"),
        ("ds4sd/SmolDocling-256M-preview", "smoldocling"),
        ("deepseek-ai/DeepSeek-OCR", "deepseek_ocr"),
        ("deepseek-ai/DeepSeek-OCR-2", "deepseek_ocr2"),
        ("tencent/HunyuanOCR", "hunyuan_vl"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl"),
        ("reducto/RolmOCR", "rolmocr"),
        ("hf.co/mradermacher/NuMarkdown-8B-Thinking-GGUF:Q4_K_M", "numarkdown"),
        ("scb10x/typhoon-ocr1.5-3b:latest", "typhoon_ocr_1_5"),
        ("scb10x/typhoon-ocr-7b", "typhoon_ocr"),
        ("infly/Infinity-Parser2-Pro", "infinity_parser_2"),
        ("rolm_ocr:latest", "rolmocr"),
        ("lighton-ocr-3-1b", "lighton_ocr_3"),
        ("olm-ocr-2", "olmocr_2"),
        ("smol-docling", "smoldocling"),
        ("allenai/olmOCR-7B-0225-preview", "olmocr_1"),
        ("/models/olmOCR-2-7B-1025/ggml-model-Q8_0.gguf", "olmocr_2"),
        ("/home/chandra/models/qwen3-vl-8b-instruct", "qwen3_vl"),
        ("C:\\Users\\Chandra\\Qwen3-VL-4B", "qwen3_vl"),
    ],
)
def test_a_served_model_is_asked_by_its_own_recipe(served: str, expected: str) -> None:
    assert choose_family("auto", served).id == expected


def test_a_name_that_only_begins_alike_is_no_recipe() -> None:
    for name in ("olmOCR-20B", "chandrayaan-vl", "my-dots.mocrat", "PaddleOCR-VL-1.50"):
        assert named(name, recipes()) is None, name
    with pytest.raises(VramwiseError, match="does not tell which family"):
        choose_family("auto", "my-own-reader")


def test_a_server_can_be_told_what_has_no_class_here_and_no_list_offers_it_to_load() -> None:
    served_only = [row for row in families() if not row.model_types]
    assert {"deepseek_ocr"} <= {row.id for row in served_only} <= set(family_ids())
    assert not {row.id for row in served_only} & {row.family for row in ocr_models()}


def test_a_server_is_asked_in_the_order_and_drawn_from_as_the_recipe_says() -> None:
    def body(its: str, prompt: str = "Read.") -> dict[str, object]:
        row = family(its)
        options = row.words_first, row.sampling, row.template_options
        more = {"repetition_penalty": row.repetition_penalty}
        return ChatRequest("m", prompt, "data:x", 64, False, *options, **more).body()

    def kinds(asked: dict[str, object]) -> list[str]:
        (message,) = asked["messages"]  # type: ignore[misc]
        return [part["type"] for part in message["content"]]

    assert kinds(body("olmocr_2")) == ["text", "image_url"]
    assert kinds(body("qwen2_5_vl")) == ["image_url", "text"]
    drawn = body("lighton_ocr_3")
    assert (drawn["temperature"], drawn["top_p"], drawn["seed"]) == (0.1, 0.9, 0)
    assert (
        body("qwen3_vl")["temperature"] == 0.0
        and not {"seed", "repetition_penalty"} & body("qwen3_vl").keys()
    )
    assert {its: body(its)["repetition_penalty"] for its in ("hunyuan_vl", "glm_ocr")} == {
        "hunyuan_vl": 1.08,
        "glm_ocr": 1.1,
    }


@pytest.mark.parametrize(
    ("size", "expected"),
    [((3000, 1500), (1288, 644)), ((1288, 900), (1288, 900)), ((400, 300), (400, 300))],
)
def test_a_picture_is_no_longer_than_the_recipe_has_it(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    shown = as_asked(np.zeros((size[1], size[0], 3), np.uint8), 10_000_000, longest_side=1288)
    assert (shown.shape[1], shown.shape[0]) == pytest.approx(expected, abs=1)


def test_a_small_picture_is_doubled_for_spotting_and_a_large_one_is_not() -> None:
    for side, expected in ((700, 1400), (1499, 1003), (1500, 1003)):
        shown = as_asked(np.zeros((side, side, 3), np.uint8), 1003 * 1003 if side > 1400 else None, 0, 1500)
        assert shown.shape[0] == expected if side < 1400 else shown.shape[0] <= expected


# --- what authors' models write, cut and odd --------------------------------------------------------------

PLACES = ("grounded_blocks", "loc_polygons", "quads_before_text", "boxes_after_text", "ref_boxes", "ref_det")
WRITTEN = {
    "grounded_blocks": "before ![text](1,2,30,40) first\n![no mark](x) second ![text](5,6,70,80)third",
    "loc_polygons": "before first<|LOC_1|><|LOC_2|><|LOC_30|><|LOC_40|>second third",
    "quads_before_text": "before (1,2),(30,40) first\n(5,6) second (5,6),(70,80)third",
    "boxes_after_text": "before first(1,2),(30,40)second (5,6) third",
    "ref_boxes": "before <|box_start|>1 2 30 40<|box_end|><|ref_start|>text<|ref_end|>first second third",
    "ref_det": "before <|ref|>text<|/ref|><|det|>[[1,2,30,40]]<|/det|>first second third",
}


@pytest.mark.parametrize("kind", PLACES)
def test_no_word_is_lost_wherever_it_stands_and_wherever_the_answer_is_cut(kind: str) -> None:
    answer = WRITTEN[kind]
    whole = parse(kind, answer, False)
    assert [word for word in ("before", "first", "second", "third") if word in whole.text] == [
        "before", "first", "second", "third",
    ]  # fmt: skip
    assert whole.regions
    for end in range(0, len(answer), 3):
        cut = parse(kind, answer[:end], True)
        for word in ("before", "first", "second"):
            if f"{word} " in answer[:end] or f"{word}(" in answer[:end]:
                assert word in cut.text, (kind, answer[:end])


@pytest.mark.parametrize("kind", [*PLACES, "chandra", "front_matter", "nanonets", "picture_boxes"])
def test_words_without_any_form_are_the_text(kind: str) -> None:
    for answer in ("Just words.", "", "a (b) <c> [d] ---\n"):
        read = parse(kind, answer, False)
        assert "Just words." not in answer or read.text == "Just words."
        assert not read.regions


def test_a_page_that_lies_is_said_by_olmocr() -> None:
    head = "---\nprimary_language: en\nis_rotation_valid: {}\nrotation_correction: {}\n---\n"
    read = parse("front_matter", head.format("False", 270) + "words", False)
    assert read.text == "words" and "270 degrees" in read.notes[0]
    assert not parse("front_matter", head.format("True", 0) + "words", False).notes


def test_models_lists_folders_of_ones_own_with_their_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vramwise import cli

    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("olmOCR-2-7B-mine", "just_weights"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}), "utf-8")
        header = json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}).encode()
        data = len(header).to_bytes(8, "little") + header + b"\0\0"
        (tmp_path / name / "model.safetensors").write_bytes(data)
    assert cli.main(["models", "--json"]) == 0
    told = {row["name"]: row for row in json.loads(capsys.readouterr().out)["own_folders"]}
    assert told["olmOCR-2-7B-mine"]["recipe"] == "olmocr_2"
    assert told["olmOCR-2-7B-mine"]["licence"] == "Apache-2.0"
    assert told["just_weights"]["recipe"] is None and "in general" in told["just_weights"]["note"]
    assert cli.main(["models"]) == 0
    assert "olmOCR-2-7B-mine: olmOCR-2. Asked as olmOCR-2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "listed", "expected"),
    [
        ("hub/models--allenai--olmOCR-2-7B-1025/snapshots/0123abc", "olmOCR-2-7B-1025", "olmocr_2"),
        ("LLM/Qwen2.5-VL-7B-Instruct", "nanonets-ocr-s-lora", "nanonets_ocr"),  # an adapter on its base
        ("LLM/Qwen2.5-VL-7B-Instruct", "Qwen2.5-VL-7B-Instruct", "qwen2_5_vl"),
        ("LLM/allenai_olmOCR-2-7B-1025-FP8", "allenai_olmOCR-2-7B-1025-FP8", "olmocr_2"),
        ("LLM/olmOCR-2-7B-1025/checkpoint-500", "checkpoint-500", "olmocr_2"),
        ("LLM/olmOCR-2-7B-1025/final_merged_bf16", "final_merged_bf16", "olmocr_2"),
        ("LLM/olmOCR___2-7B-1025", "olmOCR___2-7B-1025", "olmocr_2"),  # ModelScope's dots
        ("olmOCR-2-7B-1025/my-weights-7", "my-weights-7", "qwen2_5_vl"),  # a folder with a name of its own
        ("nanonets-ocr-s/Qwen2.5-VL-3B-Instruct", "Qwen2.5-VL-3B-Instruct", "qwen2_5_vl"),
    ],
)
def test_a_place_tells_the_recipe(place: str, listed: str, expected: str, tmp_path: Path) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}), "utf-8")
    assert with_recipe(family("qwen2_5_vl"), own_words(folder, name=listed)).id == expected


@pytest.mark.parametrize(
    ("model_type", "said", "expected"),
    [
        ("qwen3_vl", {"_name_or_path": "/home/chandra/models/Qwen3-VL-8B-Instruct"}, "qwen3_vl"),
        ("qwen3_vl", {"_name_or_path": "D:\\Chandra\\out\\checkpoint-30"}, "chandra"),
        ("qwen3_vl", {"_name_or_path": "datalab-to/chandra"}, "chandra"),
        ("qwen2_5_vl", {"_name_or_path": "/data/olmOCR-2-7B-1025/checkpoint-100"}, "olmocr_2"),
        ("qwen2_5_vl", {"title": "Better tables than olmOCR 2"}, "qwen2_5_vl"),
        ("qwen2_5_vl", {"title": "Model Card for allenai/olmOCR-2-7B-1025"}, "olmocr_2"),
        ("qwen2_5_vl", {"title": "Quantized olmOCR-2-7B-1025"}, "olmocr_2"),
        ("qwen2_vl", {"title": "MinerU2.5-Pro", "base": "opendatalab/MinerU2.5"}, "mineru_2_5_pro"),
        ("qwen2_5_vl", {"base": "nanonets/Nanonets-OCR-s"}, "nanonets_ocr"),
    ],
)
def test_what_a_folder_was_made_from_is_told_by_models_and_not_by_people(
    model_type: str, said: dict[str, str], expected: str, tmp_path: Path
) -> None:
    config = {"model_type": model_type} | {k: v for k, v in said.items() if k.startswith("_")}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    base, title = said.get("base", "Qwen/Qwen2.5-VL-7B-Instruct"), said.get("title", "Mine")
    (tmp_path / "README.md").write_text(f"---\nbase_model: {base}\n---\n# {title}\n", "utf-8")
    assert with_recipe(family(model_type), own_words(tmp_path, name="weights")).id == expected


@pytest.mark.parametrize(
    ("base", "adapter", "expected"),
    [
        ("Qwen2.5-VL-7B-Instruct", "my-receipts", ("qwen2_5_vl", "Nothing in my-receipts says")),
        ("Qwen2.5-VL-7B-Instruct", "olmOCR-2-lora/checkpoint-40", ("olmocr_2", "Asked as olmOCR-2")),
        ("olmOCR-2-7B-1025", "my-receipts", ("olmocr_2", "Asked as olmOCR-2")),
        ("Nanonets-OCR-s", "olmOCR-2-lora", ("olmocr_2", "Asked as olmOCR-2")),
    ],
)
def test_an_adapter_is_a_fine_tune_of_its_base(
    base: str, adapter: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / base).mkdir()
    (tmp_path / base / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}), "utf-8")
    on_top = tmp_path / adapter
    on_top.mkdir(parents=True)
    words = own_words(tmp_path / base, name=on_top.name, adapter=on_top)
    its = with_recipe(family("qwen2_5_vl"), words)
    assert its.id == expected[0] and expected[1] in its.note


@pytest.mark.parametrize(
    ("model_type", "name", "noted"),
    [
        ("qwen2_vl", "Qwen2-VL-OCR-2B-Instruct", True),
        ("qwen2_5_vl", "Qwen2.5-VL-7B-Captioner-Relaxed", True),
        ("qwen3_vl", "Arabic-handwritten-OCR-Qwen3-VL-4B", True),
        ("qwen2_5_vl", "Qwen2.5-VL-7B-Instruct", False),
        ("qwen2_5_vl", "Qwen2___5-VL-7B-Instruct-AWQ", False),
        ("qwen3_vl", "unsloth_Qwen3-VL-8B-Instruct-unsloth-bnb-4bit", False),
        ("qwen3_vl", "Qwen3-VL-30B-A3B-Instruct-FP8", False),
        ("qwen3_vl", "qwen3vl-4b-thinking-gptq-int4", False),
        ("qwen3_5", "Qwen3.5-4B-NVFP4", False),
        ("qwen3_5", "Qwen3.5-4B-Claude-Distilled", True),
        ("qwen2_5_vl", "Qwen2.5-VL-3B-Instruct_bf16_sharded (1)", False),
        ("dots_ocr", "dots.ocr-invoices", False),  # its fine-tunes are asked as it is
        ("lighton_ocr", "LightOnOCR-2-1B-ocr-soup", False),
    ],
)
def test_a_fine_tune_that_bears_its_bases_name_is_not_asked_in_general_in_silence(
    model_type: str, name: str, noted: bool
) -> None:
    general = family(model_type)
    its = with_recipe(general, OwnWords(name, (name, f"LLM/{name}")))
    assert its.id == general.id and ("fine-tune" in its.note) == noted, its.note


def test_lists_within_lists_do_not_make_an_answer_grow() -> None:
    answer = "<ul><li>" * 2000
    assert len(parse("chandra", answer, True).text) < 5 * len(answer)


@pytest.mark.parametrize(
    ("name", "model_type", "said"),
    [
        ("DeepSeek-OCR-2", "deepseek_vl_v2", ("deepseek-community/DeepSeek-OCR-2", "family deepseek_ocr2.")),
        ("DeepSeek-OCR", "deepseek_vl_v2", ("family deepseek_ocr.",)),
        ("Qwen3-VL-30B-A3B-Instruct", "qwen3_vl_moe", ("family qwen3_vl.",)),
        ("Infinity-Parser2-Pro", "qwen3_5_moe", ("family infinity_parser_2.",)),
        ("POINTS-Reader", "points", ("no family for.",)),
    ],
)
def test_what_has_no_class_here_is_told_where_it_can_be_read(
    name: str, model_type: str, said: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vramwise.models.resolved import resolve
    from vramwise.settings import load_settings

    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    (tmp_path / name).mkdir()
    (tmp_path / name / "config.json").write_text(json.dumps({"model_type": model_type}), "utf-8")
    header = json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    data = len(header).to_bytes(8, "little") + header + b"\0\0"
    (tmp_path / name / "model.safetensors").write_bytes(data)
    with pytest.raises(VramwiseError) as told:
        resolve(name, load_settings())
    assert all(words in str(told.value) for words in said), str(told.value)


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_the_terms_of_every_licence_are_told_in_the_readers_language(lang: str) -> None:
    from vramwise.catalog.words import in_language

    for row in (*families(), *recipes()):
        note = licences()[row.licence].note if row.licence else ""
        if note:
            said = in_language(taken(row).note, lang)
            assert note in str(taken(row).note) and note not in said, said
