"""OCR Model Loader: choose a model and how to run it. Weights are loaded by the first reading, not here."""

from __future__ import annotations

from typing import Any

from ..core.hardware import device_names
from ..core.models.names import model_ids
from ..core.option_values import ATTENTIONS, DEFAULT_MODEL, check_choice, precision_choices
from .bridge.reader_language import of_the_reader
from .bridge.schema import OCRModel, field, io, schema, valid


class OCRModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseOCRModelLoader",
            display_name="OCR Model Loader",
            category="VRAMwise",
            description="Choose an OCR model and how to run it. The plan says what will happen and why.",
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_ids(),
                    default=DEFAULT_MODEL,
                    tooltip=(
                        "rapid is built in and runs anywhere. tesseract needs its language data, the others "
                        "their weights on this machine."
                    ),
                ),
                io.Combo.Input(
                    "precision",
                    options=list(precision_choices()),
                    default="auto",
                    tooltip=(
                        "auto: the best quality that fits. Engines with fixed weights ignore it and say so "
                        "in the plan."
                    ),
                ),
                field(
                    io.Combo.Input,
                    "attention",
                    options=list(ATTENTIONS),
                    default="auto",
                    advanced=True,
                    tooltip="auto: the fastest that works here. Engines without attention layers ignore it.",
                ),
                io.Combo.Input(
                    "device",
                    options=["auto", *device_names()],
                    default="auto",
                    tooltip="auto: where ComfyUI runs its models. CPU engines stay on the CPU.",
                ),
                field(
                    io.Boolean.Input,
                    "quantise_vision",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "With int8 and int4, quantise the vision tower too: less memory, some accuracy lost."
                    ),
                ),
                field(
                    io.Boolean.Input,
                    "fast_decode",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "On an NVIDIA card at 16 bits, write tokens by CUDA graphs: the first page waits "
                        "while they are compiled, and the cache takes its whole length at once."
                    ),
                ),
            ],
            outputs=[OCRModel.Output(display_name="ocr_model"), io.String.Output(display_name="plan")],
        )

    @classmethod
    def validate_inputs(
        cls,
        precision: str | None = None,
        attention: str | None = None,
        model: str | None = None,
        device: str | None = None,
    ) -> bool | str:
        """Unknown models and devices explain themselves when run (the workflow may come from another
        machine); a precision or attention that exists nowhere is refused at once."""

        def check() -> None:
            check_choice("precision", precision or "auto", precision_choices())
            check_choice("attention", attention or "auto", ATTENTIONS)

        return valid(check)

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, **_: Any) -> str:
        """Run again when the model's files came, went or changed."""
        from ..core.models.handle import files_stamp

        return files_stamp(model or "")

    @classmethod
    def execute(
        cls,
        model: str,
        precision: str,
        attention: str,
        device: str,
        quantise_vision: bool = False,
        fast_decode: bool = False,
    ) -> io.NodeOutput:
        from ..core.models.handle import ocr_handle

        handle = ocr_handle(model, precision, attention, device, quantise_vision, fast_decode)
        plan = handle.plan(of_the_reader())
        return io.NodeOutput(handle, plan, ui={"text": [plan]})
