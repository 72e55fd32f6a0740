"""GPU Probe: what this machine has, now."""

from __future__ import annotations

from ..core.hardware import device_names
from ..core.units import GIB
from .bridge.previews import text_files, uncounted
from .bridge.reader_language import of_the_reader
from .bridge.schema import GPU, io, schema


class GPUProbe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseGPUProbe",
            display_name="GPU Probe",
            category="VRAMwise",
            description=(
                "What this machine has: each device's memory and who holds it, what it computes in, heat, "
                "and what is wrong. Nothing is allocated by asking."
            ),
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "device",
                    options=["auto", *device_names()],
                    default="auto",
                    tooltip="auto: the card that ComfyUI uses, else the CPU.",
                ),
                io.Int.Input(
                    "refresh",
                    default=0,
                    min=0,
                    max=2**31 - 1,
                    tooltip="Change this number to look again; otherwise the last report is kept.",
                ),
            ],
            outputs=[
                GPU.Output(display_name="gpu"),
                io.String.Output(display_name="report"),
                io.Float.Output(display_name="total_gib"),
                io.Float.Output(display_name="free_gib"),
            ],
        )

    @classmethod
    def validate_inputs(cls, device: str | None = None) -> bool | str:
        """Any device name passes: a workflow from another machine falls back when it runs."""
        return True

    @classmethod
    def execute(cls, device: str, refresh: int) -> io.NodeOutput:
        from ..core.hardware.budget import budget_of_machine
        from ..core.hardware.health import health
        from ..core.models.place import machine_now

        report, lang = machine_now(str(device)), of_the_reader()
        budget = budget_of_machine(report)
        chosen = report.device
        total, free = (chosen.total_bytes or 0) / GIB, (chosen.free_bytes or 0) / GIB
        room = [] if budget is None else [budget.text(lang)]
        wrong = [finding.text(lang) for finding in health(report, lang)]
        text = "\n".join([report.text(lang), *room, *wrong])
        facts = {**report.to_dict(), "budget": None if budget is None else budget.to_dict()}
        shown = {"text": [text], **text_files([text]), "probe": uncounted([facts])}
        return io.NodeOutput(report, text, round(total, 3), round(free, 3), ui=shown)
