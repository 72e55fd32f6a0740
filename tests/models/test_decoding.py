"""The watch over decoding, which looks at tokens once in several; fast decoding by a static cache."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vramwise.families.family import Sampling, family_of_model_type  # noqa: E402
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions  # noqa: E402
from vramwise.ocr.vlm import decoding, fast_decoding, load, model_owner  # noqa: E402
from vramwise.ocr.vlm.engine import VLMEngine  # noqa: E402
from vramwise.ocr.vlm.limits import Limits  # noqa: E402
from vramwise.ocr.vlm.loop_guard import LoopGuard  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec, PlainOwner  # noqa: E402
from vramwise.weights.checkpoint_files import read_config  # noqa: E402

from devtools.tiny_models.build import NotHere, families, talkative_checkpoint, tiny_checkpoint  # noqa: E402

NOT_COMPILED = ("idefics3", "granite_docling")  # whose classes in transformers say so themselves
END, PAD = 99, 0
ROWS = {
    "ends in the middle": ([5, 6, 7, END], [8, 9, *range(10, 30), END]),
    "ends where it is looked at": ([*range(1, 8), END], [*range(1, 16), END]),
    "the limit cuts": (list(range(1, 60)), [5, END]),
    "runs in circles": ([7] * 400, [*range(1, 30), END]),
    "all run in circles": ([7] * 400, [3, 4] * 200),
}


def letters(ids: Any) -> str:
    return "".join(chr(97 + number % 26) for number in ids)


def watched(rows: Any, limit: int, each: bool) -> tuple[list[Any], int, int]:
    """(rows, steps, looks) of a generation that says ``rows``. ``each``: every token is looked at."""
    found = [decoding.Row(LoopGuard(letters), limit) for _ in rows]
    adapter: Any = SimpleNamespace(decode=letters)
    watch = decoding.TokenWatch(found, frozenset([END]), limit, NoProgress(), adapter, False)
    looks = 0
    look = watch._look

    def counted() -> None:
        nonlocal looks
        looks += 1
        look()

    watch._look = counted  # type: ignore[method-assign]
    ids, ended, step = torch.zeros((len(rows), 3), dtype=torch.long), [False] * len(rows), 0
    stopped = torch.tensor(ended)
    while not bool(stopped.all()) and step < limit:
        said = [PAD if stopped[at] else row[min(step, len(row) - 1)] for at, row in enumerate(rows)]
        ids = torch.cat([ids, torch.tensor(said)[:, None]], dim=1)
        step += 1
        watch._next = 0.0 if each else float("inf")
        ended = [one or token == END for one, token in zip(ended, said, strict=True)]
        stopped = stopped | torch.tensor(ended) | watch(ids, None)
    watch.finish()
    return found, step, looks


@pytest.mark.parametrize("case", ROWS)
def test_rows_end_as_if_every_token_were_looked_at(case: str) -> None:
    (each, steps, _), (seldom, fewer_looks_steps, looks) = (
        watched(ROWS[case], 48, each) for each in (True, False)
    )
    assert [(row.guard.ids, row.ended, row.guard.tripped) for row in seldom] == [
        (row.guard.ids, row.ended, row.guard.tripped) for row in each
    ]
    assert (fewer_looks_steps, looks <= steps / 8 + 2) == (steps, True)


def test_a_page_draws_the_same_numbers_however_many_are_put_on_the_device_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = torch.randn(2, 50, generator=torch.Generator().manual_seed(1))

    def drawn() -> list[list[int]]:
        draw = decoding.SeededDraw(Sampling(1.0, 1.0, 3), 2)
        return [draw(None, scores).argmax(-1).tolist() for _ in range(9)]

    ahead = drawn()
    monkeypatch.setattr(decoding, "DRAWN_AHEAD", 1)
    assert ahead == drawn()
    assert len(set(map(tuple, ahead))) > 1


def test_a_page_draws_the_same_wherever_it_stands_in_a_batch() -> None:
    scores = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))

    def drawn(order: list[int]) -> dict[int, list[int]]:
        draw = decoding.SeededDraw(Sampling(0.2, 0.9, 3), len(order))
        steps = [draw(None, scores[order]).argmax(-1).tolist() for _ in range(9)]
        return {page: [step[row] for step in steps] for row, page in enumerate(order)}

    together = drawn([0, 1, 2])
    assert drawn([2, 0, 1]) == together
    assert {page: drawn([page])[page] for page in range(3)} == together


def test_a_repetition_penalty_holds_nothing_against_a_row_that_only_fills_it() -> None:
    """The filling is the token that ends answers here, as where a tokenizer has no other."""
    scores = torch.randn(1, 9, generator=torch.Generator().manual_seed(1))
    alone, filled = torch.tensor([[3, 5, 3]]), torch.tensor([[END, END, 3, 5, 3]])
    expected = decoding.RepetitionPenaltyLogitsProcessor(1.3)(torch.cat([alone, alone], 1), scores.clone())
    attended = torch.tensor([[0, 0, 1, 1, 1]])
    read = decoding.RowPenalty(1.3, attended)(torch.cat([filled, alone], 1), scores.clone())
    assert torch.equal(read, expected) and not torch.equal(read, scores)


def test_a_batch_says_what_its_pages_say_alone_under_a_penalty() -> None:
    try:
        engine, _ = opened("glm_ocr", fast=False)
    except NotHere as error:
        pytest.skip(str(error))
    pages = [page(), page(448, "Bye and more of it")]
    options = ReadOptions(max_new_tokens=12)
    together = [one.text for one in engine.read(pages, options, NoProgress())]
    alone = [next(engine.read([one], options, NoProgress())).text for one in pages]
    assert together == alone
    engine.family = engine.adapter().family = replace(engine.family, repetition_penalty=1.0)
    assert alone != [next(engine.read([one], options, NoProgress())).text for one in pages]


# --- fast decoding ----------------------------------------------------------------------------------------


def page(width: int = 224, text: str = "Hello 123") -> Any:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, 112), "white")
    ImageDraw.Draw(picture).text((10, 10), text, fill="black")
    return np.asarray(picture)


def opened(family_id: str, fast: bool = True, path: Path | None = None) -> tuple[VLMEngine, PlainOwner]:
    path = path or tiny_checkpoint(family_id)
    kind = str(read_config(path)["model_type"])
    row = family_of_model_type(kind)
    assert row is not None
    spec = LoadSpec(path, kind, "fp32", "eager" if family_id == "got_ocr2" else "sdpa", "cpu")
    owner = PlainOwner(spec, lambda: load.load_net(spec, row), 0)
    engine = VLMEngine(row, path, owner, "tiny", "fp32", Limits(row.default_pixels, 2, fast_decode=fast))
    engine.adapter().decode = lambda ids, task=None: " ".join(map(str, ids))  # type: ignore[method-assign]
    return engine, owner


def read(engine: VLMEngine) -> list[tuple[str, int, str]]:
    pages = [page(), page(336, "Bye")]
    found = engine.read(pages, ReadOptions(max_new_tokens=6), NoProgress())
    return [(one.text, one.tokens, one.finish_reason) for one in found]


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the CPU were a card; generation compiles nothing there by itself."""
    monkeypatch.setattr(fast_decoding, "why_not", lambda net: None)


@pytest.mark.parametrize("family_id", families())
def test_a_static_cache_gives_the_same_text(family_id: str, everywhere: None, tmp_path: Path) -> None:
    try:
        talkative = talkative_checkpoint(family_id, tmp_path / family_id)
    except NotHere as reason:
        pytest.skip(str(reason))
    engine, owner = opened(family_id, path=talkative)
    lengths: list[int] = []
    its = engine.adapter()
    generate = its.generate

    def seen(net: Any, prepared: Any, given: Any, check: Callable[[], None]) -> None:
        assert given["cache_implementation"] == "static"
        lengths.append(prepared.tensors["input_ids"].shape[1] + given["max_new_tokens"])
        generate(net, prepared, given, check)

    its.generate = seen  # type: ignore[method-assign]
    net, positions = owner.use(0), []
    net.get_output_embeddings().register_forward_hook(lambda head, given, out: positions.append(out.shape[1]))
    fast = read(engine)
    assert lengths == [1024]
    assert set(positions) == {1}, "of a prompt the logits of its last token alone"
    assert getattr(net, "_can_compile_fullgraph", False) is (family_id not in NOT_COMPILED)
    assert not {"_cache", "_previous_max_cache_length"} & set(vars(net)), "the next one may be shorter"
    its.generate = generate  # type: ignore[method-assign]
    engine._fast = fast_decoding.FastDecoding(False)
    assert fast == read(engine)
    assert all(tokens for _, tokens, _ in fast)


def test_the_step_of_a_token_is_one_graph_for_pages_of_any_width(everywhere: None, tmp_path: Path) -> None:
    """Compiled by dynamo on the CPU, with a backend that computes as ever: no step is broken into several."""
    from transformers import CompileConfig

    engine, owner = opened("got_ocr2", path=talkative_checkpoint("got_ocr2", tmp_path / "got_ocr2"))
    graphs = []

    def backend(module: Any, inputs: Any) -> Any:
        graphs.append(module)
        return module.forward

    compiled = CompileConfig(backend=backend, mode=None)
    compiled._compile_all_devices = True
    owner.use(0).generation_config.compile_config = compiled
    fast = read(engine)
    assert (len(graphs), engine.fast().notes) == (1, ())
    engine._fast = fast_decoding.FastDecoding(False)
    assert fast == read(engine), "with pages of two widths"
    owner.release()


CARD = torch.device("cuda", 0)
NETS: dict[str, tuple[dict[str, Any], tuple[int, int], bool, str]] = {
    "can": ({}, (8, 9), True, ""),
    "no card": ({"device": torch.device("cpu")}, (8, 9), True, "NVIDIA"),
    "spread": ({"hf_device_map": {"a": 0, "b": "cpu"}}, (8, 9), True, "several devices"),
    "its class cannot": ({"_can_compile_fullgraph": False}, (8, 9), True, "cannot compile"),
    "int4": ({"hf_quantizer": SimpleNamespace(is_compileable=False)}, (8, 9), True, "quantised"),
    "an old card": ({}, (6, 1), True, "7.0"),
    "no triton": ({}, (8, 9), False, "triton"),
}


@pytest.mark.parametrize("case", NETS)
def test_where_fast_decoding_cannot_be_had_it_says_why(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, capability, triton, said = NETS[case]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(fast_decoding, "find_spec", lambda name: object() if triton else None)
    net = SimpleNamespace(**{"device": CARD, "_can_compile_fullgraph": True, **facts})
    fast = fast_decoding.FastDecoding(True)
    assert fast.usable(net) is (not said)
    assert [said in note for note in fast.notes] == ([True] if said else [])


def test_a_handle_on_the_cpu_reads_and_says_that_there_are_no_cuda_graphs() -> None:
    engine, _ = opened("qwen3_vl")
    (result,) = engine.read([page()], ReadOptions(max_new_tokens=2), NoProgress())
    assert result.tokens == 2
    assert [note for note in result.notes if note.startswith("fast_decode is not used")]


def test_where_the_compiler_fails_a_page_is_read_plainly_and_all_after_it(everywhere: None) -> None:
    from transformers import CompileConfig

    engine, owner = opened("qwen3_vl")
    net = owner.use(0)
    asked = []

    def no_compiler(module: Any, inputs: Any) -> Any:
        asked.append(1)
        raise OSError("Failed to find C compiler. Please specify via CC environment variable.")

    config = CompileConfig(backend=no_compiler)
    config._compile_all_devices = True
    net.generation_config.compile_config = config
    compiled = torch.compile(lambda number: number + 1, backend=no_compiler)
    net.get_compiled_call = lambda config: lambda **given: compiled(torch.ones(1))
    first = list(engine.read([page()], ReadOptions(max_new_tokens=4), NoProgress()))
    again = list(engine.read([page()], ReadOptions(max_new_tokens=4), NoProgress()))
    plain, _ = opened("qwen3_vl", fast=False)
    (expected,) = plain.read([page()], ReadOptions(max_new_tokens=4), NoProgress())
    assert [one.text for one in (*first, *again)] == [expected.text] * 2
    assert all(any("Failed to find C compiler" in note for note in one.notes) for one in (*first, *again))
    assert len(asked) == 1
    torch.compiler.reset()


def test_an_error_that_is_not_the_compilers_goes_on_and_leaves_no_cache(everywhere: None) -> None:
    from transformers import StaticCache

    class Cancelled(NoProgress):
        def token(self, done: int, limit: int, text: str) -> None:
            if done == 3:
                raise KeyError("pressed")

    engine, _ = opened("qwen3_vl")
    with pytest.raises(KeyError) as caught:
        list(engine.read([page()], ReadOptions(max_new_tokens=50), Cancelled()))
    assert caught.value.__traceback__ is not None
    assert not [thing for thing in gc.get_objects() if type(thing) is StaticCache]
    assert not engine.fast().refused


def test_what_was_compiled_goes_with_the_weights_and_what_others_compiled_stays() -> None:
    class Net(torch.nn.Module):
        def forward(self, number: torch.Tensor) -> torch.Tensor:
            return number + 1

    class Other(torch.nn.Module):
        def forward(self, number: torch.Tensor) -> torch.Tensor:
            return number + 2

    asked: list[weakref.ref[Any]] = []

    class Compiled:
        def __init__(self, module: Any) -> None:
            self.module = module

        def __call__(self, *given: Any) -> Any:
            return self.module.forward(*given)

    def compiler(module: Any, inputs: Any) -> Any:
        made = Compiled(module)
        asked.append(weakref.ref(made))
        return made.__call__

    net, other = Net(), Other()
    others = torch.compile(other, backend=compiler)
    spec = LoadSpec(tiny_checkpoint("qwen3_vl"), "toy", "bf16", "sdpa", "cpu")
    owner = PlainOwner(spec, lambda: net, 0)
    for _ in range(2):
        owner.use(0)
        net._compiled_call = torch.compile(net.__call__, backend=compiler)
        net._compiled_call(torch.ones(2))
        others(torch.ones(2))
        owner.release()
        assert "_compiled_call" not in vars(net)
    assert [one() is None for one in asked] == [True, False, True], "ours, theirs, ours anew"
    model_owner.let_graphs_go(None)
