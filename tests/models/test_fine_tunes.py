"""Folders as fine-tunes and re-uploads leave them: asked by their own template, ended where the turn ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image  # noqa: E402
from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.families.family import family  # noqa: E402
from vramwise.families.saved.names import by_class_names  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.images import from_pil  # noqa: E402
from vramwise.ocr.results.result import OCRResult  # noqa: E402
from vramwise.ocr.vlm import load  # noqa: E402
from vramwise.ocr.vlm.engine import VLMEngine  # noqa: E402
from vramwise.ocr.vlm.families import adapter_class  # noqa: E402
from vramwise.ocr.vlm.limits import Limits  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner  # noqa: E402
from vramwise.weights import read_config, tensor_index, verify  # noqa: E402

from devtools.tiny_models.build import NotHere, held_out, tiny_checkpoint, trained_checkpoint  # noqa: E402

QWEN = family("qwen3_vl")
TEXT_ONLY = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BROKEN = "{% for m in messages %}{{ m['role'] }"
MARK = "<|im_start|>tuned\n"  # the first words of the fine-tune's own template


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the trained Qwen3-VL without any chat template."""
    copy = tmp_path / "my_tune"
    shutil.copytree(trained_checkpoint("qwen3_vl"), copy)
    (copy / "chat_template.jinja").unlink()
    return copy


def own_template() -> str:
    return MARK + (trained_checkpoint("qwen3_vl") / "chat_template.jinja").read_text(encoding="utf-8")


def edit(file: Path, **entries: Any) -> None:
    data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**data, **entries}), encoding="utf-8")


def additional(folder: Path, **templates: str) -> None:
    (folder / "additional_chat_templates").mkdir()
    for name, text in templates.items():
        (folder / "additional_chat_templates" / f"{name}.jinja").write_text(text, encoding="utf-8")


def named(**templates: str) -> list[dict[str, str]]:
    return [{"name": name, "template": text} for name, text in templates.items()]


def asked(folder: Path) -> tuple[str, tuple[str, ...]]:
    """(the prompt that the model is given, what the person is told)."""
    adapter = adapter_class(QWEN)(QWEN, folder)
    prepared = adapter.prepare([Image.new("RGB", (64, 64), "white")], "Read it.", QWEN.tasks["text"])
    return adapter.tokenizer.decode(prepared.tensors["input_ids"][0]), prepared.notes


Change = Callable[[Path, str], None]
PLACES: dict[str, Change] = {
    "chat_template.jinja": lambda at, own: (at / "chat_template.jinja").write_text(own, "utf-8") and None,
    "jinja with a byte order mark": lambda at, own: (
        (at / "chat_template.jinja").write_text(own, "utf-8-sig") and None
    ),
    "tokenizer_config.json": lambda at, own: edit(at / "tokenizer_config.json", chat_template=own),
    "tokenizer_config.json, by name": lambda at, own: edit(
        at / "tokenizer_config.json", chat_template=named(tool_use=TEXT_ONLY, default=own)
    ),
    "tokenizer_config.json, none is the default": lambda at, own: edit(
        at / "tokenizer_config.json", chat_template=named(tool_use=TEXT_ONLY, vision=own)
    ),
    "tokenizer_config.json, an entry without a name": lambda at, own: edit(
        at / "tokenizer_config.json", chat_template=[{"template": own}]
    ),
    "chat_template.json": lambda at, own: edit(at / "chat_template.json", chat_template=own),
    "chat_template.json, by name": lambda at, own: edit(
        at / "chat_template.json", chat_template={"default": own, "rag": TEXT_ONLY}
    ),
    "chat_template.json, a list": lambda at, own: edit(
        at / "chat_template.json", chat_template=named(default=own)
    ),
    "chat_template.json, only the text": lambda at, own: (
        (at / "chat_template.json").write_text(json.dumps(own), "utf-8") and None
    ),
    "processor_config.json": lambda at, own: edit(at / "processor_config.json", chat_template=own),
    "additional_chat_templates": lambda at, own: additional(at, vision=own, tool_use=TEXT_ONLY),
    "chat_template.json beside additional_chat_templates": lambda at, own: (
        edit(at / "chat_template.json", chat_template=own),
        additional(at, tool_use=TEXT_ONLY),
    )[0],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_chat_template_is_found_wherever_the_folder_keeps_it(folder: Path, place: str) -> None:
    PLACES[place](folder, own_template())
    prompt, notes = asked(folder)
    assert prompt.startswith(MARK)
    assert notes == ()


def both(processor: str, tokenizer: str) -> Change:
    def change(at: Path, own: str) -> None:
        edit(at / "chat_template.json", chat_template=processor.replace("OWN", own))
        edit(at / "tokenizer_config.json", chat_template=tokenizer.replace("OWN", own))

    return change


FAULTS: dict[str, tuple[Change, str, str]] = {
    "none at all": (lambda at, own: None, "my_tune has no chat template.", "Qwen3-VL's own was used."),
    "broken": (
        both(BROKEN, ""),
        "in its processor cannot be used: unexpected '}'",
        "Qwen3-VL's own was used.",
    ),
    "for text alone": (both(TEXT_ONLY, ""), "is for text alone", "Qwen3-VL's own was used."),
    "raises": (both("{{ raise_exception('Only text, please') }}", ""), "Only text, please", "Qwen3-VL's own"),
    "begins no answer": (
        both("{{ messages[0].content[1].text }}<|image_pad|>", ""),
        "never begins",
        "own was",
    ),
    "leaves the prompt out": (both("<|image_pad|>", ""), "leaves the prompt out", "Qwen3-VL's own was used."),
    "broken, the tokenizer's is whole": (both(BROKEN, "OWN"), "unexpected '}'", "in its tokenizer was used."),
    "a number": (
        lambda at, own: edit(at / "tokenizer_config.json", chat_template=17),
        "my_tune has no chat template.",
        "Qwen3-VL's own was used.",
    ),
    "chat_template.json is cut": (
        lambda at, own: (at / "chat_template.json").write_text('{"chat_te', "utf-8") and None,
        "my_tune has no chat template.",
        "Qwen3-VL's own was used.",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_template_that_cannot_be_used_is_named_and_another_one_is_used(folder: Path, fault: str) -> None:
    change, why, instead = FAULTS[fault]
    change(folder, own_template())
    prompt, notes = asked(folder)
    assert prompt.count("<|vision_start|>") == 1
    assert "Read it." in prompt
    assert len(notes) == 1
    assert why in notes[0]
    assert notes[0].count(".") < 6 and instead in notes[0]


def test_where_neither_the_folder_nor_the_family_has_one_a_sentence_says_what_to_do(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", chat_template=TEXT_ONLY)
    bare = replace(QWEN, chat_template="")
    with pytest.raises(
        VramwiseError, match=r"my_tune has no chat template .* text alone.*Put the chat_template"
    ):
        adapter_class(bare)(bare, folder)


CHAT = ("qwen2_vl", "qwen3_vl", "glm_ocr", "paddleocr_vl", "lighton_ocr", "granite_docling")


@pytest.mark.parametrize("family_id", CHAT)
def test_a_familys_own_template_asks_as_its_checkpoint_does(family_id: str, tmp_path: Path) -> None:
    try:
        shutil.copytree(tiny_checkpoint(family_id), tmp_path / "tune")
    except NotHere as reason:
        pytest.skip(str(reason))
    (tmp_path / "tune" / "chat_template.jinja").unlink()
    row = family(family_id)
    adapter: Any = adapter_class(row)(row, tmp_path / "tune")
    assert "has no chat template" in adapter.template.note
    assert adapter.tokenizer.eos_token_id in adapter.stop_ids()
    prompt = next(iter(row.tasks.values())).prompt
    said = adapter.template.asked(adapter.processor, prompt)
    assert prompt in said
    prepared = adapter.prepare([Image.new("RGB", (64, 64), "white")], prompt, next(iter(row.tasks.values())))
    assert prepared.tensors["input_ids"].shape[0] == 1
    masks = [tensor for name, tensor in prepared.tensors.items() if name == "pixel_attention_mask"]
    assert all(mask.dtype is torch.bool for mask in masks)  # of Granite-Docling, a byte a pixel


SWITCHES = {
    "enable_thinking is defined and enable_thinking is false": True,
    "not (enable_thinking | default(true))": True,
    "thinking is defined and not thinking": True,
    "skip_reasoning": True,
    "messages[0].thinking is defined": False,
    "'enable_thinking' == 'thinking'": False,
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_template_that_can_switch_thinking_off_is_asked_to(folder: Path, switch: str) -> None:
    off = "{% if " + switch + " %}<think>\n\n</think>\n\n{% elif add_generation_prompt %}<think>\n{% endif %}"
    edit(folder / "tokenizer_config.json", chat_template=own_template() + off)
    adapter: Any = adapter_class(QWEN)(QWEN, folder)
    prepared = adapter.prepare([Image.new("RGB", (64, 64), "white")], "Read it.", QWEN.tasks["text"])
    assert prepared.opened is not SWITCHES[switch]


def read(folder: Path, pictures: Sequence[Any], limit: int = 60, say: str = "") -> list[OCRResult]:
    spec = LoadSpec(path=folder, model_type="qwen3_vl", precision="fp32", attention="sdpa", device="cpu")
    owner = PlainOwner(spec, lambda: load.load_net(spec, QWEN), 0)
    engine = VLMEngine(QWEN, folder, owner, "tune", "fp32", Limits(QWEN.default_pixels))
    if say:
        forced(engine, say)
    return list(engine.read(pictures, ReadOptions(max_new_tokens=limit), NoProgress()))


def forced(engine: VLMEngine, text: str) -> None:
    """Make the model say ``text``, special tokens included, and then its end."""
    from transformers import LogitsProcessorList

    adapter = engine.adapter()
    ids = [*adapter.tokenizer.encode(text, add_special_tokens=False), adapter.tokenizer.eos_token_id]
    original = adapter.generate

    def only(input_ids: Any, scores: Any) -> Any:
        at = only.step  # type: ignore[attr-defined]
        only.step += 1  # type: ignore[attr-defined]
        return torch.full_like(scores, -torch.inf).index_fill(
            1, torch.tensor([ids[min(at, len(ids) - 1)]]), 0
        )

    only.step = 0  # type: ignore[attr-defined]

    def generate(net: Any, prepared: Any, decoding: Any, check: Any) -> None:
        original(net, prepared, {**decoding, "logits_processor": LogitsProcessorList([only])}, check)

    adapter.generate = generate  # type: ignore[method-assign]


OTHER = 401  # a letter's token: the end of another vocabulary


def ends(generation: Any = None, text: Any = OTHER, **tokenizer: Any) -> Callable[[Path], None]:
    """Change who says where an answer ends: generation_config.json (None: there is none), config.json."""

    def change(at: Path) -> None:
        if generation is None:
            (at / "generation_config.json").unlink()
        else:
            (at / "generation_config.json").write_text(json.dumps(generation), "utf-8")
        config = json.loads((at / "config.json").read_text("utf-8"))
        config["text_config"]["eos_token_id"] = text
        edit(at / "config.json", **config)
        if tokenizer:
            edit(at / "tokenizer_config.json", **tokenizer)

    return change


ENDS = {
    "an int of the base model": ends({"eos_token_id": OTHER}),
    "a list of the base model": ends({"eos_token_id": [OTHER, OTHER + 1]}),
    "no eos_token_id": ends({"do_sample": False}, None),
    "null": ends({"eos_token_id": None}, None),
    "no file, and none in config.json": ends(None, None),
    "a text": ends({"eos_token_id": "<|im_end|>"}),
    "settings out of their range": ends({"eos_token_id": OTHER, "pad_token_id": "x", "max_new_tokens": -1}),
    "a damaged file": lambda at: (at / "generation_config.json").write_text('{"eos', "utf-8") and None,
    "beyond the vocabulary": ends({"eos_token_id": 151645, "pad_token_id": 151643}),
    "padding is the end": ends({"eos_token_id": OTHER, "pad_token_id": 843}, pad_token="<|im_end|>"),  # noqa: S106
    "the tokenizer names the base model's": ends({"eos_token_id": OTHER}, eos_token="<|endoftext|>"),  # noqa: S106
}


@pytest.mark.parametrize("said", ENDS)
def test_an_answer_ends_whatever_the_folder_says_where(folder: Path, said: str) -> None:
    source = trained_checkpoint("qwen3_vl") / "chat_template.jinja"
    shutil.copyfile(source, folder / "chat_template.jinja")
    ENDS[said](folder)
    pairs = held_out("qwen3_vl")[:2]
    results = read(folder, [from_pil(picture) for picture, _ in pairs])
    assert [(result.text, result.finish_reason) for result in results] == [
        (text, "stop") for _, text in pairs
    ]


def test_a_token_that_the_template_puts_behind_an_answer_ends_it(folder: Path) -> None:
    turns = own_template().replace("<|im_end|>", "<|vision_pad|>")
    edit(folder / "tokenizer_config.json", chat_template=turns)
    adapter: Any = adapter_class(QWEN)(QWEN, folder)
    assert adapter.tokenizer.convert_tokens_to_ids("<|vision_pad|>") in adapter.stop_ids()
    assert OTHER not in adapter.stop_ids()


def with_special(folder: Path, *tokens: str) -> None:
    """Give the tokenizer ``tokens`` that are left out of a decoded answer, as some fine-tunes' are."""
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    places = [token["id"] for token in data["added_tokens"] if "vision_pad" in token["content"]]
    places += [token["id"] for token in data["added_tokens"] if "video_pad" in token["content"]]
    for place, token in zip(places, tokens, strict=True):
        entry = next(entry for entry in data["added_tokens"] if entry["id"] == place)
        entry.update(content=token, special=True)
    file.write_text(json.dumps(data), "utf-8")


@pytest.mark.parametrize("special", [False, True])
def test_thinking_of_a_local_model_is_in_reasoning_alone(folder: Path, special: bool) -> None:
    if special:
        with_special(folder, "<think>", "</think>")
    page = from_pil(held_out("qwen3_vl")[0][0])
    (result,) = read(folder, [page], say="<think>\nThree words?\n</think>\n\nInvoice 17")
    assert (result.text, result.reasoning, result.finish_reason) == ("Invoice 17", "Three words?", "stop")


def test_a_local_model_that_thinks_to_the_limit_has_given_no_blank_page(folder: Path) -> None:
    opened = own_template() + "{% if add_generation_prompt %}<think>\n{% endif %}"
    edit(folder / "tokenizer_config.json", chat_template=opened)
    page = from_pil(held_out("qwen3_vl")[0][0])
    (result,) = read(folder, [page], limit=5, say="Let me see what is here")
    assert (result.text, result.finish_reason) == ("", "length")
    assert result.reasoning.startswith("Let m")
    assert "max_new_tokens" in result.notes[-1]


def test_an_answer_ends_where_the_model_has_no_more_positions(folder: Path) -> None:
    page = from_pil(held_out("qwen3_vl")[0][0])
    (folder / "chat_template.jinja").write_text(own_template(), encoding="utf-8")
    prompt = len(prepared_tokens(folder, page))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["text_config"]["max_position_embeddings"] = prompt + 3
    edit(folder / "config.json", **config)
    (result,) = read(folder, [page], say="Longer than three")
    assert (result.tokens, result.finish_reason) == (3, "length")
    assert f"{prompt + 3} tokens" in result.notes[-1]
    config["text_config"]["max_position_embeddings"] = prompt
    edit(folder / "config.json", **config)
    with pytest.raises(VramwiseError, match="fewer megapixels"):
        read(folder, [page])


def prepared_tokens(folder: Path, page: Any) -> Any:
    adapter = adapter_class(QWEN)(QWEN, folder)
    prepared = adapter.prepare([Image.fromarray(page)], QWEN.tasks["text"].prompt, QWEN.tasks["text"])
    return prepared.tensors["input_ids"][0]


def without(*names: str) -> Callable[[Path], None]:
    return lambda at: [(at / name).unlink() for name in names] and None


OPENED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a renamed picture processor": (
        lambda at: edit(at / "preprocessor_config.json", image_processor_type="Qwen3_VLImageProcessor"),
        "",
    ),
    "no picture processor": (without("preprocessor_config.json"), "preprocessor_config.json"),
    "no tokenizer": (without("tokenizer.json", "vocab.json", "merges.txt"), "tokenizer"),
    "a broken tokenizer": (
        lambda at: (at / "tokenizer.json").write_text('{"model": 1}') and None,
        "tokenizer",
    ),
}


@pytest.mark.parametrize("name", OPENED)
def test_processor_files_of_other_tools_are_taken_or_named_in_a_sentence(folder: Path, name: str) -> None:
    change, lacking = OPENED[name]
    change(folder)
    if not lacking:
        assert "Read it." in asked(folder)[0]
        return
    with pytest.raises(VramwiseError, match=lacking) as caught:
        asked(folder)
    assert "copy them from the one that it was made from" in str(caught.value)


def names(change: Callable[[str], str]) -> Callable[[Path], None]:
    """Save the weights under other names."""

    def edited(at: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(at / "model.safetensors")
        renamed = {change(name): tensor for name, tensor in tensors.items()}
        save_file(renamed, at / "model.safetensors", {"format": "pt"})

    return edited


def older(name: str) -> str:
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


def moved(name: str) -> Callable[[Path], None]:
    return lambda at: (at / "model.safetensors").rename(at / name) and None


SAVED: dict[str, Callable[[Path], None]] = {
    "peft": names(lambda name: f"base_model.{name}"),
    "peft, twice": names(lambda name: f"base_model.model.{name}"),
    "DDP": names(lambda name: f"module.{name}"),
    "torch.compile": names(lambda name: f"_orig_mod.{name}"),
    "names of older tools": names(older),
    "names of older tools by peft": names(lambda name: f"base_model.model.{older(name)}"),
    "a variant": moved("model.fp16.safetensors"),
}


@pytest.mark.parametrize("name", SAVED)
def test_weights_under_names_of_other_tools_are_planned_and_read(folder: Path, name: str) -> None:
    shutil.copyfile(trained_checkpoint("qwen3_vl") / "chat_template.jinja", folder / "chat_template.jinja")
    SAVED[name](folder)
    verify(folder)
    config = read_config(folder)
    assert set(by_class_names(tensor_index(folder), config)) == set(
        tensor_index(trained_checkpoint("qwen3_vl"))
    )
    picture, text = held_out("qwen3_vl")[0]
    assert [result.text for result in read(folder, [from_pil(picture)])] == [text]


def stretched(at: Path) -> None:
    """Rows for added tokens, of which config.json does not know."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(at / "model.safetensors")
    name = "model.language_model.embed_tokens.weight"
    save_file({**tensors, name: torch.cat([tensors[name], tensors[name][:8]])}, at / "model.safetensors", PT)


def with_buffers(at: Path) -> None:
    from safetensors.torch import load_file, save_file

    computed = {
        f"model.{part}.inv_freq": torch.zeros(4) for part in ("visual.rotary", "language_model.rotary")
    }
    save_file({**load_file(at / "model.safetensors"), **computed}, at / "model.safetensors", PT)


def marked(at: Path) -> None:
    """As Notepad and PowerShell save UTF-8."""
    for file in at.glob("*.json"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())


PT = {"format": "pt"}
LEFT_OVER: dict[str, Callable[[Path], None]] = {
    "the attention of the training": lambda at: edit(
        at / "config.json", attn_implementation="flash_attention_2", _attn_implementation="flash_attention_2"
    ),
    "a mark in front of each JSON": marked,
    "buffers that the class computes": with_buffers,
}


@pytest.mark.parametrize("name", LEFT_OVER)
def test_what_training_and_editors_left_in_a_folder_does_not_matter(folder: Path, name: str) -> None:
    shutil.copyfile(trained_checkpoint("qwen3_vl") / "chat_template.jinja", folder / "chat_template.jinja")
    LEFT_OVER[name](folder)
    picture, text = held_out("qwen3_vl")[0]
    assert [result.text for result in read(folder, [from_pil(picture)])] == [text]


REFUSED = {
    "more tokens than config.json says": (stretched, "rows, and config.json says vocab_size"),
    "one shard": (moved("model-00001-of-00001.safetensors"), "rename the file to model.safetensors"),
    "one shard of three": (moved("model-00002-of-00003.safetensors"), "2 of 3 files are missing"),
    "another name": (moved("merged.safetensors"), "rename it to model.safetensors"),
    "an adapter beside the weights": (
        names(lambda name: name.replace("q_proj.weight", "q_proj.base_layer.weight")),
        "merge_and_unload",
    ),
    "names of nobody": (names(lambda name: name[::-1]), "save it again with save_pretrained"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_weights_that_cannot_be_read_are_refused_with_what_to_do(folder: Path, name: str) -> None:
    shutil.copyfile(trained_checkpoint("qwen3_vl") / "chat_template.jinja", folder / "chat_template.jinja")
    change, remedy = REFUSED[name]
    change(folder)
    with pytest.raises(VramwiseError, match=remedy):
        verify(folder)
        read(folder, [from_pil(held_out("qwen3_vl")[0][0])])
