"""Remote OCR Model: read by a server elsewhere. The workflow carries a name; addresses and keys stay here."""

from __future__ import annotations

from typing import Any

from ..core.errors import VramwiseError
from ..core.ocr.remote.endpoints import DEFAULT_TIMEOUT, LOCAL, endpoint_names
from ..core.ocr.remote.model_match import AUTO, family_ids
from ..core.settings import MAX_CONCURRENCY, load_settings
from .bridge.reader_language import of_the_reader
from .bridge.schema import OCRModel, field, io, schema, valid


class RemoteOCRModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="VramwiseRemoteOCRModel",
            display_name="Remote OCR Model",
            category="VRAMwise",
            description=(
                "Read by a server that speaks the OpenAI protocol: vLLM, SGLang, transformers serve, "
                "llama.cpp, Ollama. Needs the package openai."
            ),
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "endpoint",
                    options=_names(),
                    default=LOCAL[0],
                    tooltip=(
                        "An endpoint of config.yaml by its name, or a server on this machine. A workflow "
                        "cannot carry any other address."
                    ),
                ),
                io.String.Input(
                    "model",
                    default="",
                    tooltip=(
                        "The name under which the server offers the model. Empty: config.yaml's, or the only "
                        "one."
                    ),
                ),
                io.Combo.Input(
                    "family",
                    options=[AUTO, *family_ids()],
                    default=AUTO,
                    tooltip=("Whose prompts, answers and coordinates are used. auto: by the model's name."),
                ),
                field(
                    io.Int.Input,
                    "concurrency",
                    default=0,
                    min=0,
                    max=MAX_CONCURRENCY,
                    optional=True,
                    tooltip=(
                        "Pages in flight at once over all servers of the endpoint. 0: config.yaml's, else 8."
                    ),
                ),
                field(
                    io.Int.Input,
                    "timeout",
                    default=int(DEFAULT_TIMEOUT),
                    min=1,
                    max=3600,
                    optional=True,
                    advanced=True,
                    tooltip="Seconds that one page may take on one server, its queue included.",
                ),
            ],
            outputs=[OCRModel.Output(display_name="ocr_model"), io.String.Output(display_name="plan")],
        )

    @classmethod
    def validate_inputs(cls, endpoint: str | None = None, family: str | None = None) -> bool | str:
        """An address or an unknown name is refused before the run; linked values are checked in it."""

        def check() -> None:
            if endpoint is not None:
                from ..core.ocr.remote.handle import open_remote

                open_remote(endpoint, family=family)

        return valid(check)

    @classmethod
    def fingerprint_inputs(cls, endpoint: str | None = None, **_: Any) -> str:
        """Run again when the endpoint's entry in config.yaml has changed."""
        from ..core.ocr.remote.handle import RemoteHandle

        return RemoteHandle(endpoint or "").fingerprint()

    @classmethod
    def execute(
        cls,
        endpoint: str,
        model: str,
        family: str,
        concurrency: int = 0,
        timeout: int = int(DEFAULT_TIMEOUT),
    ) -> io.NodeOutput:
        from ..core.ocr.remote.handle import open_remote

        handle = open_remote(endpoint, model, family, concurrency, timeout)
        plan = handle.plan(of_the_reader())
        return io.NodeOutput(handle, plan, ui={"text": [plan]})


def _names() -> list[str]:
    """What can be chosen; a config.yaml that cannot be read says so when the node runs."""
    try:
        return endpoint_names(load_settings())
    except VramwiseError:
        return list(LOCAL)
