"""Memory Release: give memory back in the middle of a graph, before the sampler runs."""

from __future__ import annotations

from typing import Any

from ..core.catalog.words import in_language, words
from ..core.option_values import RELEASE, check_choice
from ..core.units import GIB, gib
from .bridge.images import first
from .bridge.memory import Free, measure, release
from .bridge.previews import uncounted
from .bridge.reader_language import of_the_reader
from .bridge.schema import io, passed_through, schema, valid


class MemoryRelease(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        anything, same = passed_through(
            "anything", "same", "Comes out unchanged, lists too; it decides when memory is released."
        )
        return schema(
            node_id="VramwiseMemoryRelease",
            display_name="Memory Release",
            category="VRAMwise",
            description=(
                "Pass anything through and give memory back on the way. Runs again only when its inputs "
                "change."
            ),
            is_input_list=True,
            is_output_node=True,
            inputs=[
                anything,
                io.Combo.Input(
                    "what",
                    options=list(RELEASE),
                    default="ocr models",
                    tooltip=(
                        "ocr models: this pack's. all models: everything ComfyUI has loaded. cache: unused "
                        "reserve only."
                    ),
                ),
                io.Int.Input(
                    "refresh",
                    default=0,
                    min=0,
                    max=2**31 - 1,
                    tooltip="Change this number to release again although nothing before it changed.",
                ),
            ],
            outputs=[
                same,
                io.String.Output(display_name="report"),
                io.Float.Output(display_name="freed_gib"),
            ],
        )

    @classmethod
    def validate_inputs(cls, what: Any = None) -> bool | str:
        return valid(lambda: check_choice("what", first(what) or RELEASE[0], RELEASE))

    @classmethod
    def execute(cls, what: list[str], refresh: list[int], anything: list[Any] | None = None) -> io.NodeOutput:
        check_choice("what", what[0], RELEASE)
        before = measure()
        gone = release(what[0])
        after = measure()
        freed = after.device_bytes - before.device_bytes
        ram = before.process_bytes - after.process_bytes
        report = _report(what[0], gone, before, after)
        if before.device == "cpu":  # free RAM moves with every other program; our own share does not
            freed = ram
        passed = anything if anything is not None else [None]
        shown = {
            "device": before.device,
            "before": before.device_bytes,
            "after": after.device_bytes,
            "process_before": before.process_bytes,
            "process_after": after.process_bytes,
            "released": gone,
        }
        told = {"text": [report], "release": uncounted([shown])}
        return io.NodeOutput(passed, report, round(max(0, freed) / GIB, 3), ui=told)


def _report(what: str, gone: list[str], before: Free, after: Free) -> str:
    """What was let go, and memory before and after, in the language of who asked."""
    lang = of_the_reader()
    say, names = words(lang), ", ".join(in_language(name, lang) for name in gone)
    released = say[f"release_{what.replace(' ', '_')}"]
    if gone:
        released = say["release_names"].format(what=released, names=names)
    device = (gib(before.device_bytes, 2), gib(after.device_bytes, 2))
    process = (gib(before.process_bytes, 2), gib(after.process_bytes, 2))
    lines = [
        say["release_done"].format(what=released),
        say["release_device"].format(device=before.device, before=device[0], after=device[1]),
        say["release_process"].format(before=process[0], after=process[1]),
    ]
    return "\n".join(lines)
