"""The probe behind the real pynvml, with a stand-in of NVIDIA's library compiled from
tests/fixtures/nvml/nvml.c.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog.words import LANGUAGES
from vramwise.cli import main
from vramwise.hardware import budget, machine, nvml, report
from vramwise.hardware.health import health
from vramwise.hardware.torch_build import TorchBuild

ROOT = Path(__file__).resolve().parents[2]
CARDS = ROOT / "tests" / "fixtures" / "nvml"
GIB, MIB = 1024**3, 1024**2
HEAVY = ("numpy", "torch", "transformers")

Driver = Callable[[str], None]


def look(**asked: Any) -> report.MachineReport:
    return machine.probe(**{"torch": None, **asked})


class Card:
    """torch.cuda with cards of given UUIDs; asking for memory where there is no context is an error."""

    def __init__(self, *cards: dict[str, Any], used: tuple[int, ...] = ()) -> None:
        self.cards, self.used = cards, used
        self.version = types.SimpleNamespace(cuda="12.8", hip=None, xpu=None)
        self.__version__ = "2.9.0+cu128"
        self.cuda = self
        self.backends = types.SimpleNamespace()

    def is_available(self) -> bool:
        return bool(self.cards)

    def is_initialized(self) -> bool:
        return bool(self.used)

    def device_count(self) -> int:
        return len(self.cards)

    def get_device_properties(self, index: int) -> Any:
        return types.SimpleNamespace(**self.cards[index])

    def memory_allocated(self, index: int) -> int:
        assert self.used, "no CUDA context yet"
        return 3 * GIB if index in self.used else 0

    def memory_reserved(self, index: int) -> int:
        assert self.used, "no CUDA context yet"
        return 4 * GIB if index in self.used else 0

    def mem_get_info(self, index: int) -> tuple[int, int]:
        assert index in self.used, "this question would make a context"
        return 5 * GIB, 24 * GIB


RTX_3060 = {
    "name": "NVIDIA GeForce RTX 3060",
    "uuid": "33333333-0000-0000-0000-000000000003",
    "total_memory": 12_622_000_128,
    "major": 8,
    "minor": 6,
}
RTX_5090 = {
    "name": "NVIDIA GeForce RTX 5090",
    "uuid": "55555555-0000-0000-0000-000000000005",
    "total_memory": 33_667_743_744,
    "major": 12,
    "minor": 0,
}


# --- the driver alone --------------------------------------------------------------------------------------


def test_a_4090_is_read_from_its_driver_alone(driver: Driver) -> None:
    driver("rtx4090")
    found = look()
    card = found.device
    assert (card.id, card.name, card.vendor, card.source) == (
        "cuda:0",
        "NVIDIA GeForce RTX 4090",
        "NVIDIA",
        "NVML",
    )
    assert card.total_bytes == 24_564 * MIB
    assert card.free_bytes == card.total_bytes - 448 * MIB - 3 * GIB
    assert card.other_bytes == 2 * GIB, "all that is used, less this process; the driver's own is nobody's"
    assert card.own_bytes == GIB
    assert (card.compute_capability, card.bf16, card.fp8, card.fp4) == ("8.9", True, True, False)
    assert (card.catalog_name, card.bandwidth_gb_s, card.tensor_cores) == ("GeForce RTX 4090", 1008, 512)
    assert (card.temperature_c, card.slowdown_c, card.power_w, card.power_limit_w) == (54, 90, 212.4, 450)
    assert (card.clock_mhz, card.max_clock_mhz, card.throttle) == (2520, 3105, ("sw_power_cap",))
    assert (card.driver, found.driver_cuda, card.display) == ("580.82.07", "13.0", True)
    assert budget.desktop_bytes(found) == 400 * MIB
    assert not found.torch_asked and found.torch == "2.9.0+cu128"


def test_a_working_4090_that_stays_in_its_power_limit_is_well(driver: Driver) -> None:
    driver("rtx4090")
    assert {finding.code for finding in health(look())} <= {"no_flash"}


def test_two_unequal_cards_keep_their_own_figures_and_the_order_is_said(driver: Driver) -> None:
    driver("two_cards")
    found = look(device="cuda:1")
    weak, strong = found.devices[:2]
    assert (weak.name, strong.name) == ("NVIDIA GeForce RTX 3060", "NVIDIA GeForce RTX 5090")
    assert found.device == strong and strong.fp4 and weak.fp8 is False
    assert (weak.other_bytes, strong.other_bytes) == (600 * MIB, 2 * MIB)
    assert (strong.bandwidth_gb_s, weak.bandwidth_gb_s) == (1792, 360)
    assert any("CUDA_DEVICE_ORDER" in note for note in found.notes)
    assert [remark.code for remark in found.remarks] == ["order"]
    assert weak.throttle == (), "an idle card is not throttled"


def test_hidden_cards_are_left_out_and_the_shown_ones_counted_anew(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver("two_cards")
    for shown in ("1", "GPU-5555", "1,7,0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
        assert [(one.id, one.name) for one in look().devices[:-1]] == [
            ("cuda:0", "NVIDIA GeForce RTX 5090")
        ], shown
        assert bool(look().notes) is (shown != "GPU-5555"), "a number depends on how torch counts"
    for none in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert look().device.id == "cpu"


def test_a_hot_laptop_says_so_and_what_its_driver_hides_is_unknown_not_zero(driver: Driver) -> None:
    driver("laptop")
    found = look()
    card = found.device
    assert card.other_bytes is None, "processes without their memory (WSL, Windows) are not zero bytes"
    assert "other processes unknown" in found.text()
    assert card.power_limit_w is None and card.power_w == 18.5
    assert card.free_bytes == 6143 * MIB - 1000 * MIB - 125 * MIB, "from the first version of the question"
    assert card.throttle == ("sw_thermal_slowdown", "hw_thermal_slowdown"), "by the older driver's name"
    assert "thermal" in {finding.code for finding in health(found)}


def test_a_card_that_answers_nothing_is_listed_with_unknowns(driver: Driver) -> None:
    driver("unreadable")
    found = look(device="cuda:1")
    card = found.device
    sizes = (card.total_bytes, card.free_bytes, card.other_bytes, card.temperature_c, card.power_w)
    assert sizes == (None,) * 5
    assert card.bf16 is None and card.compute_capability is None
    assert "unknown free of unknown" in found.text()
    assert found.driver_problem is None, "not supported is no fault"
    assert health(found) == ()


def test_unified_memory_that_the_driver_calls_not_available_is_the_machines_ram(driver: Driver) -> None:
    driver("unreadable")
    found = look()
    card = found.device
    assert (card.name, card.unified, card.total_bytes) == ("NVIDIA GB10", True, found.ram_total_bytes)
    assert card.free_bytes == found.ram_available_bytes > 0
    assert card.compute_capability == "12.1", "from the catalog, where the driver does not say"
    assert budget.desktop_bytes(found) == 0


def test_a_driver_that_does_not_start_is_a_finding_and_the_cpu_goes_on(driver: Driver) -> None:
    driver("init_fails")
    found = look()
    assert [one.id for one in found.devices] == ["cpu"]
    assert found.driver_problem is not None and "mismatch" in found.driver_problem
    (finding,) = [one for one in health(found) if one.severity == "problem"]
    assert finding.code == "driver_error" and "Restart" in finding.remedy


def test_a_card_that_is_lost_in_the_middle_does_not_hide_the_next_one(driver: Driver) -> None:
    driver("lost")
    found = look()
    lost, other = found.devices[:2]
    assert (lost.name, lost.total_bytes, lost.free_bytes) == ("NVIDIA GeForce RTX 4080", None, None)
    assert other.free_bytes == 12_878_610_432 - 524_288_000
    assert found.driver_problem is not None and "lost" in found.driver_problem.lower()


def test_a_machine_without_a_driver_has_no_problem(library: Path, driver: Driver, tmp_path: Path) -> None:
    driver("there_is_no_such_file")  # the stand-in then answers "driver not loaded"
    assert nvml.read_nvml() == nvml.NvmlReport(False)
    assert look().driver_problem is None


# --- with torch --------------------------------------------------------------------------------------------


def test_torchs_cards_are_matched_by_uuid_whatever_their_order(driver: Driver) -> None:
    driver("two_cards")
    found = look(torch=Card(RTX_5090, RTX_3060))
    first, second = found.devices[:2]
    assert (first.id, first.temperature_c, first.display) == ("cuda:0", 38, False)
    assert (second.id, second.temperature_c, second.display) == ("cuda:1", 41, True)
    assert first.free_bytes == 34_190_917_632 - 2 * MIB
    assert first.source == "torch and NVML" and found.torch_asked
    assert found.notes == ()


def test_asking_makes_no_context_and_allocated_and_reserved_are_torchs(driver: Driver) -> None:
    driver("two_cards")
    idle = look(torch=Card(RTX_5090, RTX_3060)).devices[0]
    assert (idle.allocated_bytes, idle.reserved_bytes) == (0, 0)
    busy = look(torch=Card(RTX_5090, RTX_3060, used=(0,))).devices[0]
    assert (busy.allocated_bytes, busy.reserved_bytes) == (3 * GIB, 4 * GIB)
    assert busy.other_bytes is None, "torch holds memory and the driver does not list us: a container"


def test_without_nvml_free_memory_comes_from_torch_only_where_it_has_a_context(
    driver: Driver,
) -> None:
    driver("there_is_no_such_file")
    first, second = look(torch=Card(RTX_5090, RTX_3060, used=(0,))).devices[:2]
    assert first.free_bytes == 5 * GIB
    assert second.free_bytes is None
    host = report.HostMemory("cuda:1", {"cuda:1": report.HostDevice(7 * GIB, GIB, 2 * GIB)}, True)
    found = look(torch=Card(RTX_5090, RTX_3060), host=host)
    assert found.device.id == "cuda:1"
    assert (found.device.free_bytes, found.device.own_bytes, found.device.host_bytes) == (
        7 * GIB,
        GIB,
        2 * GIB,
    )
    assert found.device.dynamic_vram is True and found.devices[0].dynamic_vram is None


def test_a_slice_of_a_card_keeps_its_own_memory(driver: Driver) -> None:
    driver("two_cards")
    found = look(torch=Card({**RTX_5090, "total_memory": 8 * GIB}))
    assert (found.device.total_bytes, found.device.free_bytes) == (8 * GIB, None)
    assert found.device.temperature_c == 38
    assert any("MIG" in note for note in found.notes)


def test_a_card_that_torch_is_not_shown_is_a_note_and_no_device(driver: Driver) -> None:
    driver("two_cards")
    found = look(torch=Card(RTX_5090))
    assert [one.id for one in found.devices] == ["cuda:0", "cpu"]
    assert any("RTX 3060" in note and "CUDA_VISIBLE_DEVICES" in note for note in found.notes)


def test_a_torch_that_lost_cuda_runs_on_the_cpu_and_the_finding_says_restart(driver: Driver) -> None:
    driver("rtx4090")
    found = look(torch=Card())
    assert found.device.id == "cpu" and found.devices[0].name == "NVIDIA GeForce RTX 4090"
    assert "torch cannot use it" in found.text()
    assert [one.code for one in health(found) if one.severity == "problem"] == ["torch_lost_cuda"]
    asked = look(torch=Card(), device="cuda:0")
    assert asked.device.id == "cpu" and "cannot be used" in asked.notes[0]


def test_a_torch_without_cuda_is_why_there_is_none_and_the_card_is_still_advised_for(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    driver("rtx4090")
    monkeypatch.setattr(machine, "torch_build", lambda live=None: TorchBuild("2.9.0+cpu"))
    monkeypatch.setattr(machine, "live_torch", lambda *asked: None)
    assert look().device.id == "cuda:0"
    assert main(["check-gpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "CUDA available: No (PyTorch cannot use the card)"
    assert lines[2] == "GPU: NVIDIA GeForce RTX 4090"


# --- the command, in a process of its own ------------------------------------------------------------------


def command(library: Path, cards: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``vramwise check-gpu`` in a fresh Python whose loader finds the stand-in by name; the heavy modules
    that it imported are on the last line of standard error.
    """
    code = (
        "import sys; from vramwise.cli import main; code = main(sys.argv[1:]); "
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr); sys.exit(code)"
    )
    hidden = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"LD_LIBRARY_PATH": str(library), "VRAMWISE_NVML": str(CARDS / f"{cards}.txt")}
    return subprocess.run(
        [sys.executable, "-c", code, "check-gpu", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env,
        timeout=300,
    )


def test_check_gpu_prints_the_guides_fields_in_its_order(library: Path) -> None:
    done = command(library, "rtx4090")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[:5] == [
        "=== GPU check ===",
        "CUDA available: Yes",
        "GPU: NVIDIA GeForce RTX 4090",
        "VRAM: 24.0 GiB",
        "Compute Capability: 8.9",
    ]
    assert lines[5].startswith("Flash Attention: Supported")
    models = lines[lines.index("=== Recommended models ===") + 1 :]
    assert models[0].startswith("- Qwen3.5 9B @ BF16 (")
    assert done.stderr.splitlines()[-1] == "[]", "nothing heavy is imported where NVML answers"


def test_check_gpu_speaks_the_guides_language(library: Path) -> None:
    printed = (CARDS / "check_gpu.ru.txt").read_text(encoding="utf-8")
    # the guide's sizes are GiB, with the point of its script
    guide = re.sub(r"(\d)\.(\d+) GB", "\\1,\\2 \u0413\u0438\u0411", printed).splitlines()
    lines = command(library, "rtx4090", "--lang", "ru").stdout.splitlines()
    assert lines[:5] == guide[:5]
    assert lines[5].startswith(guide[5])
    assert guide[6] in lines


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_check_gpu_has_no_english_sentence_in_another_language(library: Path, lang: str) -> None:
    for name, asked in (("lost", "cuda:7"), ("two_cards", "auto"), ("init_fails", "auto")):
        done = command(library, name, "--lang", lang, "--device", asked)
        notes = [line for line in done.stdout.splitlines() if line.startswith("- ")]
        notes += [line for line in done.stderr.splitlines() if line.startswith("vramwise: ")]
        assert (done.returncode == 2) == (asked == "cuda:7")
        assert notes
        for line in notes:
            told = re.sub("[\u201c\u00ab][^\u201d\u00bb]*[\u201d\u00bb]", "", line)  # quoted as it was said
            assert not re.search(r"\b(the|is|an|with|said)\b", told, re.IGNORECASE), line


@pytest.mark.parametrize(
    "code",
    [
        "hidden",
        "order",
        "slice",
        "unusable",
        "absent",
        "not_visible",
        "unanswered",
        "settings",
        "not_here_by_hand",
    ],
)
def test_a_remark_is_one_sentence_in_every_language(code: str) -> None:
    values = dict.fromkeys(
        ("cards", "device", "card", "asked", "reason", "shown", "here", "word", "question", "said"), "cuda:0"
    )
    said = {lang: report.Remark(code, values).text(lang) for lang in LANGUAGES}
    assert len(set(said.values())) == len(LANGUAGES)
    assert all(text[-1] in ".\u3002" for text in said.values())


def test_check_gpu_as_json_holds_the_machine_the_models_and_the_findings(library: Path) -> None:
    done = command(library, "laptop", "--json")
    facts = json.loads(done.stdout)
    assert facts["machine"]["devices"][0]["name"] == "NVIDIA GeForce RTX 3050 6GB Laptop GPU"
    assert facts["flash_attention_supported"] is True
    assert {"model", "name", "precision", "bytes", "max_pixels"} == set(facts["recommended"][0])
    assert "thermal" in {finding["code"] for finding in facts["findings"]}
    assert facts["machine"]["notes"] == [] and facts["machine"]["driver_problem"] is None
    assert done.stderr.splitlines()[-1] == "[]"


def test_check_gpu_without_a_card_says_no_and_what_reads_on_the_cpu(library: Path) -> None:
    done = command(library, "init_fails")
    lines = done.stdout.splitlines()
    assert lines[1].startswith("CUDA available: No")
    assert any("PP-OCR" in line and "CPU" in line for line in lines)
    assert any(line.startswith("- Problem: ") for line in lines)


def test_the_guides_own_command_prints_the_same_report() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_gpu.py"), "--device", "cpu"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("=== GPU check ===")


def test_an_unknown_language_is_wrong_usage(library: Path) -> None:
    done = command(library, "rtx4090", "--lang", "rus")
    assert done.returncode == 2
    assert 'Did you mean "ru"?' in done.stderr


# --- a real card -------------------------------------------------------------------------------------------

ON_A_CARD = """
import json, torch
from vramwise.hardware import nvml, probe
before = nvml.read_nvml().devices
found = [one for one in probe(torch=torch).devices if one.kind == "cuda"]
after = nvml.read_nvml().devices
print(json.dumps({
    "used": [[one.used_bytes, other.used_bytes] for one, other in zip(before, after)],
    "sources": [one.source for one in found],
    "same": [abs(one.total_bytes - torch.cuda.mem_get_info(i)[1]) for i, one in enumerate(found)],
}))
"""


@pytest.mark.gpu
def test_on_a_real_card_torch_and_the_driver_are_matched_and_asking_takes_no_memory() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed.")
    if not torch.cuda.is_available() or torch.version.hip or not nvml.installed():
        pytest.skip("There is no NVIDIA card with pynvml here.")
    done = subprocess.run([sys.executable, "-c", ON_A_CARD], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said["sources"]) == {"torch and NVML"}
    assert all(apart < GIB for apart in said["same"])
    assert all(after - before < 64 * MIB for before, after in said["used"]), "no context was made"
