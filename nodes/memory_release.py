"""Memory Release: give memory back in the middle of a graph, before the sampler runs."""

from __future__ import annotations

from typing import Any

from ..core.option_values import RELEASE, check_choice
from ..core.units import GIB, gib
from .bridge.images import first
from .bridge.memory import measure, release
from .bridge.previews import uncounted
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
        report = "\n".join(
            [
                f"Released: {what[0]}" + (f" ({', '.join(gone)})" if gone else ""),
                f"{before.device}: {gib(before.device_bytes, 2)} GiB free before, "
                f"{gib(after.device_bytes, 2)} after",
                f"This process in RAM: {gib(before.process_bytes, 2)} GiB before, "
                f"{gib(after.process_bytes, 2)} after",
            ]
        )
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
