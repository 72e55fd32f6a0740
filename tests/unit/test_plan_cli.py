"""`vramwise plan` and `vramwise.plan`: cards, sizes, unknown words, JSON, and what it must not import."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import vramwise
from vramwise.catalog import ocr_models
from vramwise.catalog.gpus import find_gpus
from vramwise.cli import main
from vramwise.errors import VramwiseError
from vramwise.hardware import capabilities
from vramwise.hardware.budget import budget_of_gpu, budget_of_memory
from vramwise.planning import run_history
from vramwise.planning.run_history import Run

GIB = 1024**3
BYTES = {"type": "integer", "minimum": 0}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["model", "device", "budget_bytes", "verdicts", "chosen"],
    "properties": {
        "model": {"type": "string"},
        "device": {"type": "string"},
        "budget_bytes": BYTES,
        "verdicts": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    *("precision", "verdict", "need_bytes", "weights_bytes", "activation_bytes"),
                    *("kv_bytes", "overhead_bytes", "reason"),
                ],
                "properties": {
                    "precision": {"type": "string"},
                    "verdict": {"enum": ["fits", "tight", "reduced", "no", "unavailable"]},
                    "need_bytes": BYTES,
                    "weights_bytes": BYTES,
                    "activation_bytes": BYTES,
                    "kv_bytes": BYTES,
                    "overhead_bytes": BYTES,
                    "reason": {"type": "string", "minLength": 1},
                },
            },
        },
        "chosen": {
            "type": ["object", "null"],
            "additionalProperties": False,
            "required": ["precision", "attention", "max_pixels", "micro_batch"],
            "properties": {
                "precision": {"type": "string"},
                "attention": {"type": "string"},
                "max_pixels": {"type": "integer", "minimum": 1},
                "micro_batch": {"type": "integer", "minimum": 1},
            },
        },
    },
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user folder of the test's own, and no weights anywhere."""
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("VRAMWISE_MODELS", "VRAMWISE_CONFIG", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    from vramwise.settings import load_settings

    return load_settings().places.user_dir


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["plan", *arguments, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made.pop("schema_version") and made.pop("catalog_date") and made.pop("refused") == []
    plans = made.pop("plans")
    assert plans[0] == made
    return made if len(plans) == 1 else plans


def test_every_model_with_a_published_architecture_is_planned_in_the_stable_form(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from vramwise.families.published import published_config

    for row in ocr_models():
        if row.repo and published_config(row.repo) is None:
            continue
        made = told(capsys, row.id, "--vram-gib", "24")
        jsonschema.validate(made, SCHEMA)
        assert made["model"] == row.id
        assert made["chosen"] is not None


def test_nothing_fits_is_an_answer_with_no_choice_and_not_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = told(capsys, "qwen3_vl_8b", "--vram-gib", "4")
    jsonschema.validate(made, SCHEMA)
    assert made["chosen"] is None
    assert {verdict["verdict"] for verdict in made["verdicts"]} == {"no"}


def test_a_card_with_two_memory_sizes_answers_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    both = told(capsys, "qwen3_vl_4b", "--gpu", "rtx 4060 ti")
    assert sorted(one["device"] for one in both) == [
        "GeForce RTX 4060 Ti 16 GB",
        "GeForce RTX 4060 Ti 8 GB",
    ]
    assert {one["device"][-5:]: one["chosen"]["precision"] for one in both} == {
        "16 GB": "bf16",
        " 8 GB": "int8",
    }
    assert told(capsys, "qwen3_vl_4b", "--gpu", "RTX 4060 Ti 8GB")["device"] == "GeForce RTX 4060 Ti 8 GB"
    with pytest.raises(VramwiseError, match="more than one card") as asked:
        vramwise.plan("qwen3_vl_4b", gpu="RTX 4060 Ti")
    assert '"GeForce RTX 4060 Ti 8 GB" or "GeForce RTX 4060 Ti 16 GB"' in str(asked.value) or (
        '"GeForce RTX 4060 Ti 16 GB" or "GeForce RTX 4060 Ti 8 GB"' in str(asked.value)
    )


def test_of_two_sizes_one_may_refuse_a_forced_precision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "qwen3_vl_4b", "--gpu", "rtx 4060 ti", "--precision", "bf16", "--json"]) == 1
    out, error = capsys.readouterr()
    assert json.loads(out)["device"] == "GeForce RTX 4060 Ti 16 GB"
    assert "What would fit: int8" in error


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["qwen3_vl_9b", "--vram-gib", "8"], 'Did you mean "qwen3_vl_8b"?'),
        (["Qwen3-VL-9B", "--vram-gib", "8"], 'Did you mean "qwen3_vl_8b"?'),
        (["qwen3_vl_8b", "--gpu", "rtx 4091"], "The nearest: GeForce RTX 4090"),
        (["qwen3_vl_8b", "--gpu", "rtx 4060 ti 12gb"], "it is sold with"),
        (["qwen3_vl_8b", "--vram-gib", "8", "--precision", "int44"], 'Did you mean "int4"?'),
    ],
)
def test_unknown_names_end_with_2_and_the_nearest(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments]) == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("size", ["1024", "0x5", "axb", "1024x"])
def test_a_size_that_is_none_is_wrong_usage(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "rapid", "--image", size])
    assert ended.value.code == 2
    assert "write it as 2480x3508" in capsys.readouterr().err


@pytest.mark.parametrize("words", [{"vram_gib": 0.0}, {"vram_gib": -4.0}, {"image": (0, 5)}, {"batch": 0}])
def test_impossible_numbers_are_refused_with_a_sentence(words: dict[str, Any]) -> None:
    with pytest.raises(VramwiseError, match=r"[Gg]ive"):
        vramwise.plan("qwen3_vl_2b", **{"vram_gib": 8.0, **words})


def test_a_page_needs_more_than_a_thumbnail_and_two_need_more_than_one() -> None:
    needs = [
        vramwise.plan("qwen3_vl_2b", vram_gib=48, image=image, batch=batch).verdict("bf16").footprint
        for image, batch in (((256, 256), 1), ((2480, 3508), 1), ((2480, 3508), 2))
    ]
    sizes = [it.need_bytes for it in needs if it is not None]
    assert sizes == sorted(set(sizes)) and len(sizes) == 3


def test_an_empty_card_is_what_torch_finds_without_what_comfyui_keeps() -> None:
    (gaming,) = find_gpus("RTX 4090")
    assert budget_of_gpu(gaming).budget_bytes == int(23.64 * GIB) - 400 * 1024**2
    (server,) = find_gpus("H100 SXM5 80GB")
    assert budget_of_gpu(server).budget_bytes == int(79.19 * GIB) - 400 * 1024**2
    assert budget_of_memory(24).budget_bytes <= budget_of_gpu(gaming).budget_bytes
    assert budget_of_memory(24, "windows").budget_bytes < budget_of_memory(24).budget_bytes
    assert "desktop" in budget_of_memory(24, "windows").note


def test_engines_outside_torch_fit_everywhere_at_their_own_precision() -> None:
    for row in ocr_models():
        if not row.repo:
            made = vramwise.plan(row.id, vram_gib=4)
            assert [(it.precision, it.verdict) for it in made.verdicts] == [("own", "fits")]
            assert made.budget_bytes == budget_of_memory(4).budget_bytes
            assert made.verdicts[0].footprint.weights_bytes == (row.weight_bytes or 0)  # type: ignore[union-attr]


def test_without_a_card_it_is_about_this_machine_now() -> None:
    made = vramwise.plan("qwen3_vl_2b")
    assert made.budget is not None and made.budget.free_bytes > 0
    assert "GiB free" in made.text() or "could be evicted" in made.text()


def test_a_transformers_newer_than_the_tested_is_named_in_the_plan_of_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    major, minor = map(int, capabilities.TESTED_TRANSFORMERS.split("."))
    sentence = f"is newer than {major}.{minor}, the newest that this version of VRAMwise was tested with."
    for installed, newer in (
        (f"{major}.{minor + 1}.0", True),
        (f"{major + 1}.0.0.dev0", True),
        (f"{major}.{minor}.9", False),
        ("4.57.6", False),
        (None, False),
    ):
        monkeypatch.setattr(capabilities, "installed_version", lambda name, said=installed: said)
        notes = " ".join(vramwise.plan("qwen3_vl_2b").notes)
        assert (f"transformers {installed} {sentence}" in notes) == newer, installed
        assert sentence not in " ".join(vramwise.plan("qwen3_vl_2b", gpu="RTX 4090").notes)
        assert sentence not in " ".join(vramwise.plan("rapid").notes)


def test_what_was_measured_on_a_card_counts_when_that_card_is_asked_about(home: Path) -> None:
    (gpu,) = find_gpus("RTX 4090")
    run = Run(gpu.device_name, "qwen3_vl_2b", "bf16", load_seconds=4.2, loaded_from="files")
    run_history.record(home, run)
    assert "Measured here: loaded in 4.2 s" in vramwise.plan("qwen3_vl_2b", gpu="RTX 4090").text()
    assert "Measured here" not in vramwise.plan("qwen3_vl_2b", gpu="RTX 3090").text()


def test_a_pipe_gets_plain_text_and_a_terminal_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["plan", "qwen3_vl_8b", "--vram-gib", "16"]) == 0
    plain = capsys.readouterr().out
    assert plain.splitlines()[1].split()[:3] == ["precision", "verdict", "need"]
    assert "\x1b[" not in plain

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    from vramwise.cli.plans import show

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    show(vramwise.plan("qwen3_vl_8b", vram_gib=16))
    drawn = sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[32mint8" in drawn and "\t" not in drawn
    for word in ("int8", "fits", "Chosen: int8"):
        assert word in drawn


@pytest.mark.parametrize("place", [["--vram-gib", "12"], ["--gpu", "RTX 4060 Ti"]])
def test_a_plan_imports_neither_torch_nor_numpy_nor_a_table_drawer(place: list[str]) -> None:
    code = (
        "import sys; from vramwise.cli import main; "
        f"code = main(['plan', 'qwen3_vl_8b', *{place!r}]); "
        "heavy = ('torch', 'transformers', 'numpy', 'rich', 'PIL', 'huggingface_hub'); "
        "print('loaded', [name for name in heavy if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.splitlines()[-1] == "loaded [] 0", done.stderr


def test_a_model_may_be_named_as_the_advice_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "Qwen3-VL 8B", "--vram-gib", "12"]) == 0
    assert capsys.readouterr().out.startswith("qwen3_vl_8b on 12 GB")
