"""The answer in five lines: what the report begins with, the command line prints, and the panel shows."""

from __future__ import annotations

import pytest
from vramwise.advisor import advise, advise_each, report
from vramwise.advisor.candidate import RESIDENT
from vramwise.advisor.summary import BADGES, summary, summary_lines
from vramwise.advisor.tasks import MODEL_TASKS
from vramwise.catalog.words import LANGUAGES
from vramwise.hardware import DeviceReport, MachineReport
from vramwise.panel_data import advice_answer

GIB = 1024**3
PLACES = [
    {"gpu": "RTX 4060"},
    {"vram_gib": 4.0},
    {"vram_gib": 12.0, "ram_gib": 8.0},
    {"gpu": "RTX 5090"},
    {"gpu": "M4 Max"},
]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_five_lines_say_what_is_best_for_every_task(place: dict) -> None:
    for advice in advise_each(**place):
        made = summary(advice)
        assert len(made.text()) <= 5
        for line in made.lines:
            best = advice.best(line.task)
            assert line.best is best or (best is not None and line.best.model == best.model)
            assert best is None or best.name in line.text()
            if best is not None and best.verdict == "streams" and line.second is not None:
                assert line.second.verdict in RESIDENT and line.second.name in line.text()


def test_what_streams_is_told_beside_what_fits() -> None:
    (video,) = [line for line in summary(advise(gpu="RTX 4060")).lines if line.task == "video"]
    assert video.text().startswith("Video: Wan 2.2 A14B at Q4") and "streams (at least" in video.text()
    assert "; Wan 2.2 TI2V 5B" in video.text() and " fits" in video.text()


def test_what_is_missing_is_named_with_what_it_needs_and_what_the_next_size_brings() -> None:
    made = summary(advise(gpu="RTX 4060", task="OCR"))
    assert "Does not run here: Qwen3-VL 8B at int4 (needs 8." in made.missing_text()
    assert made.next_text().startswith("12 GB would hold Qwen3-VL 8B at int4")
    little = summary(advise(vram_gib=12, ram_gib=4, task="video"))
    assert "GiB of RAM)" in little.missing_text()
    assert summary(advise(gpu="RTX 5090")).next_text() == ""


def test_a_card_of_two_sizes_is_told_once() -> None:
    both = [summary(answer) for answer in advise_each(gpu="RTX 4060 Ti")]
    told = summary_lines(both)
    assert len(told) == 5
    assert all(line.startswith("16 GB: ") and " 8 GB: " in line for line in told[:3])
    alike = summary_lines([both[0], both[0]])
    assert alike == both[0].text(), "what both do is said once"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_report_begins_with_it_and_ends_with_why_figures_differ(lang: str) -> None:
    advice = advise(gpu="RTX 4090")
    lines = report(advice, lang).splitlines()
    assert lines[2:7] == [f"- {line}" for line in summary(advice).text(lang)]
    heads = [line for line in lines if line.startswith("## ")]
    assert heads[-1].startswith(
        ("## Why figures differ", "## \u041f\u043e\u0447\u0435\u043c\u0443", "## \u6570\u5b57")
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_is_called_resident_or_floor(lang: str) -> None:
    text = report(advise(gpu="RTX 4060"), lang).lower()
    assert "resident" not in text and "floor" not in text and "\u5e38\u9a7b" not in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_sentence_says_as_saved_in_the_readers_language(lang: str) -> None:
    advice = advise(gpu="RTX 4060 Ti 16 GB")
    told = "\n".join([*summary(advice).text(lang), summary(advice).next_text(lang)])
    assert "olmOCR-2 7B FP8" in told and ("as saved" in told) == (lang == "en")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_panel_has_a_row_a_model_with_a_badge(lang: str) -> None:
    (told,) = advice_answer("RTX 4060", "all", (), None, lang)
    rows = told["summary"]["rows"]
    assert {row["badge"] for row in rows} <= set(BADGES) and {row["task"] for row in rows} == set(MODEL_TASKS)
    assert len({(row["task"], row["model"]) for row in rows}) == len(rows)
    assert sum(1 + row["others"] for row in rows) == len(told["models"])
    assert all(row["reason"] for row in rows)
    assert told["summary"]["text"] == list(summary(advise(gpu="RTX 4060")).text(lang))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_why_nothing_runs_without_a_gpu_is_said_once(lang: str) -> None:
    """The same sentence stood behind six tasks and pushed the models out of the panel."""
    cpu = DeviceReport("cpu", "A processor", "cpu", 16 * GIB, 8 * GIB, None)
    machine = MachineReport((cpu,), "cpu", "Linux 6.1", "3.11", None, 8, 16 * GIB, 8 * GIB)
    made = summary(advise(machine=machine))
    lines = made.to_dict(lang)["lines"]
    reasons = [line.nearest.reason(lang) for line in made.lines if line.nearest is not None]
    assert len(reasons) > 4 and len(set(reasons)) == 1
    assert [reasons[0] in line["text"] for line in lines].count(True) == 1
    first = next(line for line in lines if reasons[0] in line["text"])
    assert first is next(line for line in lines if line["task"] != "OCR")
    assert "\n".join(made.text(lang)).count(reasons[0]) == 1, "and so on the command line"
