"""The report of each node is in the language of whoever pressed Run, and in English for a script."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.comfy

LETTERS = {"ru": r"[\u0400-\u04ff]", "zh": r"[\u4e00-\u9fff]"}
# Where the texts of the pictures and the names of the files are out, none of these is left.
ENGLISH = re.compile(
    r"\b(and|at|after|before|best|cache|estimated|failed|fonts?|found|free|image|in|lines?|masks?|more|note|"
    r"nothing|out|pages?|passed|process|region|released|room|there|weights|runs|missing|word)\b",
    re.IGNORECASE,
)


@pytest.fixture
def reports(client, graph, put, draw, fresh, comfy):
    """``reports(lang)``: the report of every such node, by node."""
    folder = comfy.input_dir / f"loaded{next(fresh)}"
    folder.mkdir()
    for number in range(22):
        (folder / f"{number}.png").write_bytes((comfy.input_dir / put(draw(["7"], (60, 40)))).read_bytes())
    (folder / "99.pdf").write_bytes(b"%PDF-1.4 nothing")
    (folder / "a.mp4").write_bytes(b"\0")
    graph.node("loaded", "VramwiseLoadPages", file=folder.name, dpi=100 + next(fresh))
    graph.picture("seen", put(draw(["7531", "2468"], (300, 160), 40)))
    graph.read("ocr", "seen", prompt=f"not cached {next(fresh)}")
    graph.node("drawn", "VramwiseDrawText", image=["seen", 0], regions=["ocr", 3], texts="11\n\n")
    graph.node(
        "mask", "VramwiseTextMask", regions=["ocr", 3], find="75", match="exact", shape="box",
        combine="match", grow=0, feather=0, nothing_found="empty mask", whole_words=False,
    )  # fmt: skip
    graph.show("masked", "mask", 4)
    graph.node("score", "VramwiseOCRScore", image=["seen", 0], regions=["ocr", 3], expected="7531 2469")
    graph.node("gone", "VramwiseMemoryRelease", what="cache", refresh=next(fresh), anything=["seen", 0])
    shown = ("loaded", "drawn", "score", "gone", "model")

    def run(lang):
        graph.loader("model", precision={"ru": "int8", "zh": "int4"}.get(lang, "bf16"))
        for at, name in enumerate(shown):
            graph.show(f"said{at}", name, {"loaded": 3, "drawn": 2, "score": 6, "gone": 1, "model": 1}[name])
        with client.reading(lang):
            result = client.run(graph)
        assert result.ok, result.error_text
        said = {name: result.outputs[f"said{at}"]["text"][0] for at, name in enumerate(shown)}
        return {**said, "mask": result.outputs["masked"]["text"][0]}

    return run


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_every_report_is_in_the_language_of_who_asks(reports, lang):
    for name, report in reports(lang).items():
        report = report.replace("PP-OCRv6 small (built in)", "")  # a name
        lines = [line for line in report.splitlines() if not re.fullmatch(r"\S*: \d+ x \d+|", line)]
        assert lines, name
        assert [line for line in lines if not re.search(LETTERS[lang], line)] == [], name
        assert [line for line in lines if ENGLISH.search(line)] == [], name


def test_a_script_is_told_in_english(reports):
    said = reports("")
    assert said["gone"].startswith("Released: cache\n") and "GiB free before" in said["gone"]
    assert "22 pages\nLeft out: " in said["loaded"] and said["loaded"].endswith("\nand 2 more")
    assert 'Region 1: "11" at ' in said["drawn"] and "Region 2: no text, left as it is." in said["drawn"]
    assert said["score"].startswith("Best: image 1 of 1, not passed.\n\n- **Image 1**: CER ")
    assert said["mask"].startswith("Found 1 on 1 of 1 pages\npage 1: ")


def test_what_is_kept_from_somebody_elses_run_can_be_shown_in_ones_own_language(client, graph, fresh):
    """ComfyUI answers an unchanged prompt from its cache, with the words of who ran it first."""
    graph.picture("page", "vramwise_sample.png").read("ocr", "page", prompt=f"Be brief {next(fresh)}.")
    seen = []
    for lang in ("ru", "zh"):
        with client.reading(lang):
            (page,) = client.run(graph).outputs["ocr"]["ocr"]
        seen.append(page)
    assert seen[0] == seen[1], "the second was kept"
    assert seen[0]["notes"] == seen[0]["in"]["ru"]["notes"] and set(seen[0]["in"]) == {"en", "ru", "zh"}
    for lang, letters in LETTERS.items():
        assert all(re.search(letters, note) for note in seen[1]["in"][lang]["notes"])
    assert seen[0]["in"]["en"]["notes"][0].startswith("The prompt is ignored")


@pytest.mark.parametrize("lang", ["ru", "zh"])
def test_what_was_released_is_named_in_the_readers_language(client, graph, fresh, lang):
    graph.picture("page", "vramwise_sample.png").read("ocr", "page", prompt=f"not cached {next(fresh)}")
    graph.node("gone", "VramwiseMemoryRelease", what="ocr models", refresh=next(fresh), anything=["ocr", 0])
    graph.show("said", "gone", 1)
    with client.reading(lang):
        said = client.run(graph).outputs["said"]["text"][0]
    assert re.search(rf"PP-OCR.*{LETTERS[lang]}", said) and "built-in" not in said


def test_rows_of_a_kept_advice_can_be_shown_in_every_language(client, graph, fresh):
    """The rows stay as a script reads them; beside the summary is what each language says of them."""
    graph.node(
        "advisor", "VramwiseModelAdvisor", what_if=f"{8 + next(fresh) / 100} GB", task="all",
        installed_only=False, ram_gib=0,
    )  # fmt: skip
    with client.reading("ru"):
        (advice,) = client.run(graph).outputs["advisor"]["advice"]
    rows = advice["models"]
    said = {text for row in rows for text in (row["name"], row["licence"], row["reason"], *row["notes"])}
    assert len(said) > 100 and not any(re.search(LETTERS["ru"], text) for text in said)
    for lang, letters in LETTERS.items():
        words = advice["summary"]["in"][lang]["words"]
        assert set(words) <= said and all(re.search(letters, told) for told in words.values())
        assert {row["reason"] for row in rows} <= set(words)
    assert advice["summary"]["in"]["en"]["words"] == {}
