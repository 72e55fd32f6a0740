"""Real transformers classes with tiny random weights: load, read, stop, cancel, run out of memory, come
back.
"""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise.errors import VramwiseError  # noqa: E402
from vramwise.families.family import family  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.vlm import compat, load  # noqa: E402
from vramwise.ocr.vlm.adapter import Adapter  # noqa: E402
from vramwise.ocr.vlm.engine import VLMEngine  # noqa: E402
from vramwise.ocr.vlm.families import adapter_class  # noqa: E402
from vramwise.ocr.vlm.limits import Limits  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner  # noqa: E402

from devtools.tiny_models.build import tiny_checkpoint  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("qwen3_vl", "qwen2_vl", "got_ocr2")
PRECISIONS = ("bf16", "fp16", "fp32", "int8", "int4")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def page(width: int = 320, height: int = 200, text: str = "Hello 123") -> Any:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).text((10, 10), text, fill="black")
    return np.asarray(picture)


def spec_of(family_id: str, precision: str = "fp32", **more: Any) -> LoadSpec:
    attention = "eager" if family_id == "got_ocr2" else "sdpa"
    given = {"path": tiny_checkpoint(family_id), "attention": attention, "device": "cpu", **more}
    return LoadSpec(model_type=family_id, precision=precision, **given)


class Watched(NoProgress):
    """Counts, and cancels at the given token."""

    def __init__(self, cancel_at: int = 0) -> None:
        self.tokens: list[tuple[int, int, str]] = []
        self.pages: list[tuple[int, int]] = []
        self.cancel_at = cancel_at

    def token(self, done: int, limit: int, text: str) -> None:
        self.tokens.append((done, limit, text))
        if done == self.cancel_at:
            raise KeyboardInterrupt

    def page_done(self, done: int, total: int) -> None:
        self.pages.append((done, total))


def engine_of(
    family_id: str, precision: str = "fp32", limits: Limits | None = None, **more: Any
) -> tuple[VLMEngine, PlainOwner]:
    row, spec = family(family_id), spec_of(family_id, precision, **more)
    owner = PlainOwner(spec, lambda: load.load_net(spec, row), 0)
    engine = VLMEngine(row, spec.path, owner, "tiny", precision, limits or Limits(row.default_pixels))
    return engine, owner


def shown_as_numbers(engine: VLMEngine) -> None:
    """Random weights say nothing readable: their tokens are compared as numbers."""
    engine.adapter().decode = lambda ids, task=None: " ".join(map(str, ids))  # type: ignore[method-assign]


def forced(engine: VLMEngine, text: str, end: bool = True) -> None:
    """Make the model say ``text``: a logits processor allows nothing else."""
    from transformers import LogitsProcessorList

    adapter = engine.adapter()
    ids = adapter.tokenizer.encode(text, add_special_tokens=False)
    if end:
        ids = [*ids, adapter.tokenizer.eos_token_id]
    original = adapter.generate

    class Say:
        step = 0

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            only = torch.full_like(scores, -torch.inf)
            only[:, ids[min(self.step, len(ids) - 1)]] = 0
            self.step += 1
            return only

    def generate(net: Any, prepared: Any, decoding: Mapping[str, Any], check: Callable[[], None]) -> None:
        original(net, prepared, {**decoding, "logits_processor": LogitsProcessorList([Say()])}, check)

    adapter.generate = generate  # type: ignore[method-assign]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family_id", FAMILIES)
def test_each_precision_reads_the_same_after_release_and_reload(family_id: str, precision: str) -> None:
    if precision.startswith("int"):
        pytest.importorskip("bitsandbytes")
    engine, owner = engine_of(family_id, precision)
    shown_as_numbers(engine)
    pictures = [page(), page(200, 320, "another")]
    options = ReadOptions(max_new_tokens=6)
    first = list(engine.read(pictures, options, NoProgress()))
    owner.release()
    assert owner.resident_bytes() == 0
    again = list(engine.read(pictures, options, NoProgress()))
    assert [result.text for result in again] == [result.text for result in first]
    assert all(result.tokens == 6 and result.finish_reason == "length" for result in first)
    assert all(result.precision == precision and result.model == "tiny" for result in first)
    assert [(result.width, result.height) for result in first] == [(320, 200), (200, 320)]


def test_an_eviction_between_two_micro_batches_changes_nothing() -> None:
    pictures = [page(), page(200, 320, "another"), page(256, 256, "third")]
    engine, owner = engine_of("qwen3_vl", "bf16")
    shown_as_numbers(engine)
    options = ReadOptions(max_new_tokens=4)
    kept = [result.text for result in engine.read(pictures, options, NoProgress())]
    dropped = []
    for result in engine.read(pictures, options, NoProgress()):
        owner.release()
        dropped.append(result.text)
    assert dropped == kept


def test_nothing_of_ours_keeps_a_released_net() -> None:
    engine, owner = engine_of("qwen3_vl")
    list(engine.read([page()], ReadOptions(max_new_tokens=3), NoProgress()))
    net = weakref.ref(owner.use(0))
    owner.release()
    assert net() is None


def test_a_blank_page_is_answered_without_the_model() -> None:
    engine, owner = engine_of("qwen3_vl")
    owner.use = None  # type: ignore[assignment, method-assign]
    white = np.full((300, 200, 3), 255, np.uint8)
    (result,) = engine.read([white], ReadOptions(), NoProgress())
    assert (result.finish_reason, result.text, result.regions) == ("blank", "", ())


@pytest.mark.parametrize("family_id", FAMILIES)
def test_a_batch_gives_the_same_in_order_as_one_by_one(family_id: str) -> None:
    pictures = [
        page(320, 200, "a"),
        np.full((9, 9, 3), 255, np.uint8),
        page(96, 512, "b"),
        page(448, 448, "c"),
    ]
    options = ReadOptions(max_new_tokens=5)
    found = []
    for micro_batch in (1, 3):
        engine, _ = engine_of(family_id, limits=Limits(500_000, micro_batch))
        shown_as_numbers(engine)
        progress = Watched()
        results = list(engine.read(pictures, options, progress))
        assert progress.pages == [(1, 4), (2, 4), (3, 4), (4, 4)]
        assert [(r.width, r.height) for r in results] == [(320, 200), (9, 9), (96, 512), (448, 448)]
        found.append([(r.text, r.finish_reason) for r in results])
    assert found[0] == found[1]


@pytest.mark.parametrize("family_id", FAMILIES)
def test_an_end_token_ends_the_answer(family_id: str) -> None:
    engine, _ = engine_of(family_id)
    forced(engine, "Total: 12 EUR")
    progress = Watched()
    (result,) = engine.read([page()], ReadOptions(max_new_tokens=99), progress)
    assert (result.text, result.finish_reason) == ("Total: 12 EUR", "stop")
    assert progress.tokens[-1][:2] == (result.tokens + 1, 99)
    assert [done for done, _, _ in progress.tokens] == list(range(1, len(progress.tokens) + 1))
    assert all("Total: 12 EUR".startswith(text) for _, _, text in progress.tokens)


def test_a_runaway_is_cut_and_said() -> None:
    engine, _ = engine_of("qwen3_vl")
    forced(engine, "Dear Sir. " + "I am writing to you again. " * 60, end=False)
    (result,) = engine.read([page()], ReadOptions(max_new_tokens=2000), NoProgress())
    assert result.finish_reason == "loop"
    assert result.text.startswith("Dear Sir. I am writing to you again")
    assert result.text.count("writing") <= 2


def test_boxes_come_out_in_pixels_of_the_original() -> None:
    engine, _ = engine_of("qwen3_vl")
    forced(engine, json.dumps([{"bbox_2d": [100, 500, 900, 600], "text_content": "Hello"}]))
    (result,) = engine.read([page(1200, 600)], ReadOptions(task="spotting", max_pixels=100_000), NoProgress())
    assert result.text == "Hello"
    assert result.regions[0].box == (120, 300, 1080, 360)


def test_an_answer_cut_by_the_limit_says_length_and_keeps_whole_boxes() -> None:
    engine, _ = engine_of("qwen3_vl")
    entry = '{"bbox_2d": [100, 500, 900, 600], "text_content": "Hello"}'
    forced(engine, f"[{entry}, {entry[:30]}", end=False)
    limit = len(engine.adapter().tokenizer.encode(f"[{entry}, {entry[:30]}"))
    (result,) = engine.read([page()], ReadOptions(task="spotting", max_new_tokens=limit), NoProgress())
    assert result.finish_reason == "length"
    assert len(result.regions) == 1
    assert any("ended before" in note for note in result.notes)


@pytest.mark.parametrize("family_id", FAMILIES)
def test_cancel_stops_within_one_token_and_frees_the_cache(family_id: str) -> None:
    from transformers import DynamicCache

    engine, _ = engine_of(family_id)
    progress = Watched(cancel_at=3)
    gc.collect()
    with pytest.raises(KeyboardInterrupt) as caught:
        list(engine.read([page()], ReadOptions(max_new_tokens=50), progress))
    assert len(progress.tokens) == 3
    # The exception with its traceback is still in hand here, as it is in ComfyUI's executor.
    assert caught.value.__traceback__ is not None
    assert not [thing for thing in gc.get_objects() if type(thing) is DynamicCache]


def logits_of(net: Any) -> list[tuple[int, int]]:
    """(rows, positions) of all that the language head computes from now on."""
    computed: list[tuple[int, int]] = []
    net.get_output_embeddings().register_forward_hook(
        lambda head, given, logits: computed.append((logits.shape[0], logits.shape[1]))
    )
    return computed


@pytest.mark.parametrize("family_id", [*FAMILIES, "dots_ocr"])
def test_of_a_prompt_the_logits_of_its_last_token_alone_are_computed(family_id: str) -> None:
    engine, owner = engine_of(family_id, limits=Limits(10**6, 2))
    computed = logits_of(owner.use(0))
    list(engine.read([page(), page(text="Bye")], ReadOptions(max_new_tokens=2), NoProgress()))
    assert computed == [(2, 1), (2, 1)]


@pytest.mark.parametrize("family_id", ["qwen2_vl", "qwen3_vl"])
def test_a_class_that_cannot_be_asked_for_its_last_logits_answers_the_same(
    family_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers 4.57 has such a class: Qwen2-VL. Here every class is made one of them."""
    engine, owner = engine_of(family_id, limits=Limits(10**6, 2))
    shown_as_numbers(engine)
    net: Any = owner.use(0)
    net._supports_logits_to_keep = lambda: False
    computed, pictures = logits_of(net), [page(), page(640, 400, "Bye")]

    def texts() -> list[str]:
        computed.clear()
        results = engine.read(pictures, ReadOptions(max_new_tokens=6), NoProgress())
        return [result.text for result in results]

    last = texts()
    assert set(computed) == {(2, 1)}
    with pytest.raises(KeyboardInterrupt):
        list(engine.read(pictures, ReadOptions(max_new_tokens=6), Watched(cancel_at=2)))
    assert not net.get_output_embeddings()._forward_pre_hooks  # whoever else uses the net gets all its logits
    monkeypatch.setattr(compat, "last_logits_only", lambda net: nullcontext())
    assert texts() == last
    assert computed[0][1] > 20  # a whole prompt


def failing(
    engine: VLMEngine, fits: Callable[[int, int], bool], error: Exception | None = None
) -> list[tuple[int, int]]:
    """Let ``generate`` run out of memory unless ``fits(pictures, pixels of the largest)``."""
    adapter = engine.adapter()
    original = adapter.prepare
    asked: list[tuple[int, int]] = []

    def prepare(pictures: Sequence[Any], prompt: str, task: Any) -> Any:
        pixels = max(picture.width * picture.height for picture in pictures)
        asked.append((len(pictures), pixels))
        if not fits(len(pictures), pixels):
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original(pictures, prompt, task)

    adapter.prepare = prepare  # type: ignore[method-assign]
    return asked


def test_out_of_memory_is_met_with_fewer_pictures_at_once() -> None:
    engine, _ = engine_of("qwen3_vl", limits=Limits(10**7, 4))
    asked = failing(engine, lambda pictures, pixels: pictures <= 2)
    results = list(engine.read([page()] * 4, ReadOptions(max_new_tokens=2), NoProgress()))
    assert [pictures for pictures, _ in asked] == [4, 2, 2]
    assert all("4 pictures at once" in result.notes[0] for result in results)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Invalid buffer size: 12.20 GB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("Native API failed. Native API returns: 40 (UR_RESULT_ERROR_OUT_OF_RESOURCES)"),
        RuntimeError("HIP error: hipErrorOutOfMemory"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
        caused(ValueError("no image"), RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")),
    ],
    ids=str,
)
def test_out_of_memory_in_any_spelling_is_halved_twice_and_ends_in_the_remedies(error: Exception) -> None:
    limits = Limits(10**7, 4, remedies=lambda pixels: "1. Less.")
    engine, _ = engine_of("qwen3_vl", limits=limits)
    asked = failing(engine, lambda pictures, pixels: False, error)
    with pytest.raises(VramwiseError, match=r"ran out of memory.*1\. Less"):
        list(engine.read([page()] * 4, ReadOptions(max_new_tokens=2), NoProgress()))
    assert [pictures for pictures, _ in asked] == [4, 2, 1]


def test_out_of_memory_while_loading_ends_in_the_remedies_too() -> None:
    engine, owner = engine_of("qwen3_vl", limits=Limits(10**7, 1, remedies=lambda pixels: "1. Less."))
    owner.use = lambda activation: (_ for _ in ()).throw(RuntimeError("std::bad_alloc"))  # type: ignore[method-assign, assignment]
    with pytest.raises(VramwiseError, match=r"ran out of memory while it was loaded.*bad_alloc.*1\. Less"):
        engine.load()


def test_out_of_memory_is_then_met_with_fewer_pixels() -> None:
    engine, _ = engine_of("qwen3_vl", limits=Limits(10**7, 2))
    asked = failing(engine, lambda pictures, pixels: pixels <= 33_000)
    results = list(engine.read([page(), page()], ReadOptions(max_new_tokens=2), NoProgress()))
    assert [pictures for pictures, _ in asked] == [2, 1, 1, 1]
    assert all("half" not in note for result in results for note in result.notes)
    assert all(any("0.032 megapixels" in note for note in result.notes) for result in results)
    assert [(result.width, result.height) for result in results] == [(320, 200)] * 2


def test_out_of_memory_ends_in_the_remedies() -> None:
    limits = Limits(10**7, 2, remedies=lambda pixels: f"Less than {pixels} pixels.")
    engine, _ = engine_of("qwen3_vl", limits=limits)
    failing(engine, lambda pictures, pixels: False)
    with pytest.raises(
        VramwiseError, match=r"ran out of memory.*at 0\.032 megapixels.*Less than 32000 pixels"
    ):
        list(engine.read([page(), page()], ReadOptions(max_new_tokens=2), NoProgress()))


def test_another_error_is_not_taken_for_out_of_memory() -> None:
    engine, _ = engine_of("qwen3_vl")

    def broken(*given: object) -> None:
        raise RuntimeError("mat1 and mat2")

    engine.adapter().generate = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="mat1"):
        list(engine.read([page()], ReadOptions(), NoProgress()))


def test_the_owner_hears_what_a_read_needs_beside_the_weights() -> None:
    def beside(pixels: int, images: int, tokens: int, sides: tuple[int, int] | None = None) -> int:
        return (pixels if sides is None else sides[0] * sides[1]) * images + tokens

    limits = Limits(20_000, 2, activation_bytes=beside)
    engine, owner = engine_of("qwen3_vl", limits=limits)
    asked: list[int] = []
    use = owner.use
    owner.use = lambda activation: (asked.append(activation), use(activation))[1]  # type: ignore[method-assign, assignment]
    list(engine.read([page(), page()], ReadOptions(max_new_tokens=3), NoProgress()))
    assert len(asked) == 1
    assert 30_000 < asked[0] <= 40_003


def test_a_shape_with_more_tiles_than_a_small_plan_has_room_for_is_read_smaller() -> None:
    """As of DeepSeek-OCR-2, whose strips are cut into six tiles from a side of 768 on."""

    def beside(pixels: int, images: int, tokens: int, sides: tuple[int, int] | None = None) -> int:
        return images * (6 if sides and max(sides) > 768 else 1)

    engine, _ = engine_of("qwen3_vl", limits=Limits(300_000, activation_bytes=beside))
    asked = failing(engine, lambda pictures, pixels: True)
    strip, flat = list(
        engine.read([page(1600, 160), page(700, 400)], ReadOptions(max_new_tokens=1), NoProgress())
    )
    assert asked[0][1] <= 768 * 77 and "cut into more tiles than fit here" in strip.notes[-1]
    assert asked[1][1] == 280_000 and not any("tiles" in note for note in flat.notes)
    whole, _ = engine_of("qwen3_vl", limits=Limits(10**7, activation_bytes=beside))
    asked = failing(whole, lambda pictures, pixels: True)
    list(whole.read([page(1600, 160)], ReadOptions(max_new_tokens=1), NoProgress()))
    assert asked[0][1] == 256_000, "a plan for whole pages has room for every shape"


def test_a_picture_above_the_limit_is_scaled_down_and_never_up() -> None:
    engine, _ = engine_of("got_ocr2", limits=Limits(10_000))
    asked = failing(engine, lambda pictures, pixels: True)
    list(engine.read([page(400, 300), page(40, 30)], ReadOptions(max_new_tokens=1), NoProgress()))
    assert 9_000 < asked[0][1] <= 10_000
    assert asked[1][1] == 1200


def test_a_task_a_family_cannot_do_is_refused_with_those_that_can() -> None:
    engine, _ = engine_of("got_ocr2")
    with pytest.raises(VramwiseError, match=r"GOT-OCR 2\.0 cannot do the task spotting.*Qwen3-VL"):
        list(engine.read([page()], ReadOptions(task="spotting"), NoProgress()))
    with pytest.raises(VramwiseError, match="needs a prompt"):
        list(engine_of("qwen3_vl")[0].read([page()], ReadOptions(task="custom"), NoProgress()))


# --- GOT-OCR ----------------------------------------------------------------------------------------------


def test_tiles_one_by_one_give_the_tokens_of_all_at_once() -> None:
    engine, owner = engine_of("got_ocr2", limits=Limits(10**6))
    adapter = engine.adapter()
    task = engine.family.tasks["text"]
    from PIL import Image

    side = adapter.tile  # type: ignore[attr-defined]
    prepared = adapter.prepare([Image.fromarray(page(side * 3, side * 2))], "", task)
    tiles = prepared.tensors["pixel_values"].shape[0]
    assert tiles > 4
    net: Any = owner.use(0)
    whole = net.generate(**prepared.tensors, max_new_tokens=6)[0, prepared.tensors["input_ids"].shape[1] :]
    seen: list[int] = []
    encode = net.model.vision_tower.forward
    net.model.vision_tower.forward = lambda pixels, **given: (
        seen.append(len(pixels)),
        encode(pixels, **given),
    )[1]
    shown_as_numbers(engine)
    (result,) = engine.read([page(side * 3, side * 2)], ReadOptions(max_new_tokens=6), NoProgress())
    assert result.text.split() == [str(token) for token in whole.tolist()]
    assert seen == [1] * tiles


def test_got_at_int8_keeps_its_vision_tower_16_bit_also_when_asked_not_to() -> None:
    pytest.importorskip("bitsandbytes")
    for precision in ("int8", "int4"):
        net = load.load_net(spec_of("got_ocr2", precision, quantise_vision=True), family("got_ocr2"))
        kinds = {type(module).__name__ for module in net.model.vision_tower.modules()}  # type: ignore[union-attr]
        assert not [kind for kind in kinds if "bit" in kind.lower()]


# --- loading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantise_vision", [False, True])
@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("family_id", ["qwen2_vl", "qwen3_vl"])
def test_the_head_stays_16_bit_and_vision_does_unless_asked(
    family_id: str, precision: str, quantise_vision: bool
) -> None:
    pytest.importorskip("bitsandbytes")
    spec = spec_of(family_id, precision, quantise_vision=quantise_vision)
    net: Any = load.load_net(spec, family(family_id))
    quantised = [
        name
        for name, module in net.named_modules()
        if type(module).__name__.startswith("Linear") and type(module) is not torch.nn.Linear
    ]
    assert quantised
    assert "lm_head" not in quantised
    assert any(name.startswith("model.visual") for name in quantised) is quantise_vision
    assert load.movable(net)
    assert load.true_bytes(net) < load.true_bytes(
        load.load_net(spec_of(family_id, "bf16"), family(family_id))
    )


def test_true_bytes_count_what_the_footprint_of_transformers_leaves_out() -> None:
    pytest.importorskip("bitsandbytes")
    plain: Any = load.load_net(spec_of("qwen3_vl", "bf16"), family("qwen3_vl"))
    assert load.true_bytes(plain) == plain.get_memory_footprint()
    small: Any = load.load_net(spec_of("qwen3_vl", "int4"), family("qwen3_vl"))
    assert load.true_bytes(small) > small.get_memory_footprint()


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("family_id", FAMILIES)
def test_a_saved_quantised_folder_reads_the_same(family_id: str, precision: str, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    engine, owner = engine_of(family_id, precision)
    net = owner.use(0)
    size = load.true_bytes(net)
    load.save_quantised(net, engine.path, tmp_path / "cache")
    del net
    shown_as_numbers(engine)
    options = ReadOptions(max_new_tokens=5)
    first = [result.text for result in engine.read([page(), page(96, 96, "b")], options, NoProgress())]
    cached, cached_owner = engine_of(family_id, precision, path=tmp_path / "cache")
    shown_as_numbers(cached)
    assert [
        result.text for result in cached.read([page(), page(96, 96, "b")], options, NoProgress())
    ] == first
    assert load.true_bytes(load.load_net(cached_owner.spec, family(family_id))) == size


def copy_with(source: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A checkpoint folder whose tensors were changed."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(source, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
@pytest.mark.parametrize("fault", ["missing", "unexpected", "mismatched"])
def test_a_key_too_few_too_many_or_of_another_shape_is_an_error(
    fault: str, precision: str, tmp_path: Path
) -> None:
    if precision.startswith("int"):
        pytest.importorskip("bitsandbytes")

    def change(tensors: dict[str, Any]) -> None:
        name = next(name for name in tensors if name.endswith("mlp.down_proj.weight"))
        if fault == "missing":
            del tensors[name]
        elif fault == "unexpected":
            tensors["model.language_model.surprise.weight"] = tensors[name].clone()
        else:
            tensors[name] = torch.zeros(32, 32)

    folder = copy_with(tiny_checkpoint("qwen3_vl"), tmp_path / "faulty", change)
    with pytest.raises(VramwiseError, match="faulty"):
        load.load_net(spec_of("qwen3_vl", precision, path=folder), family("qwen3_vl"))


def test_flash_attention_that_is_not_here_is_refused_before_a_kernel_could_be_fetched() -> None:
    if compat.flash_attention_2():
        pytest.skip("flash-attn is installed here")
    with pytest.raises(VramwiseError, match="flash-attn"):
        load.load_net(spec_of("qwen3_vl", attention="flash_attention_2"), family("qwen3_vl"))
    with pytest.raises(VramwiseError, match="no sdpa attention"):
        load.load_net(spec_of("got_ocr2", attention="sdpa"), family("got_ocr2"))


def test_loading_and_reading_touch_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_checkpoint("qwen3_vl")
    touched: list[Any] = []

    def refuse(*given: Any, **named: Any) -> Any:
        touched.append(given)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    engine, _ = engine_of("qwen3_vl", "bf16")
    assert list(engine.read([page()], ReadOptions(max_new_tokens=2), NoProgress()))
    assert not touched


@pytest.mark.slow
def test_importing_bitsandbytes_fetches_no_kernel_and_leaves_kernels_to_others(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text(
        "asked = []\ndef get_kernel(*given, **named):\n    asked.append(given)\n    raise OSError\n"
    )
    program = f"""
        import sys
        sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]
        before = "kernels" in sys.modules
        from vramwise.ocr.vlm import compat
        compat.guard_kernels()
        import bitsandbytes
        assert "kernels" not in sys.modules, "the stub was left behind"
        import kernels
        assert kernels.asked == [], kernels.asked
        print("quiet")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "quiet", done.stderr
    assert "kernels" not in done.stderr


def test_a_family_that_this_transformers_lacks_says_which_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "version_of", lambda name: (4, 40))
    with pytest.raises(VramwiseError, match=r"needs transformers 4\.57\.0 or newer"):
        load.load_net(spec_of("qwen3_vl"), family("qwen3_vl"))


def test_every_family_of_the_catalog_has_an_adapter() -> None:
    from vramwise.families.family import families

    for row in families():
        if row.adapter:
            assert issubclass(adapter_class(row), Adapter)
        else:
            assert not row.model_types, "without an adapter it is served only"


def test_int8_is_torchao_where_bitsandbytes_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchao")
    known = load.find_spec
    monkeypatch.setattr(load, "find_spec", lambda name: None if name == "bitsandbytes" else known(name))
    engine, owner = engine_of("qwen3_vl", "int8")
    shown_as_numbers(engine)
    (first,) = engine.read([page()], ReadOptions(max_new_tokens=4), NoProgress())
    net: Any = owner.use(0)
    assert not load.movable(net)
    assert load.true_bytes(net) < load.true_bytes(
        load.load_net(spec_of("qwen3_vl", "bf16"), family("qwen3_vl"))
    )
    assert type(net.lm_head.weight) is torch.nn.Parameter
    del net
    owner.release()
    (again,) = engine.read([page()], ReadOptions(max_new_tokens=4), NoProgress())
    assert again.text == first.text
