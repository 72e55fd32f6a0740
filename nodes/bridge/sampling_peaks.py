"""What ComfyUI's own sampling takes, watched from outside: its peak, by architecture and size of the latent.

ComfyUI calls ``comfy.sampler_helpers.prepare_sampling`` once before the steps and ``cleanup_models`` once
after them. Both are called as ever, with the same arguments and results; around them torch's counters are
read. Nothing happens in a step, nothing on the processor, and nothing where ``learn_peaks`` is off.
"""

from __future__ import annotations

import functools
import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

log = logging.getLogger("vramwise")
# A card that was fuller tells how large it is, not what the model takes.
_FULL = 0.92
_COUNTED = ("cuda", "xpu")


@dataclass(frozen=True)
class Sampling:
    """One that has begun. ``area`` is batch x frames x height x width of the latent."""

    device: Any
    architecture: str
    factor: float
    area: int
    dtype: str
    before_bytes: int


class SamplingWatch:
    """Between the two calls. Samplings of one process follow one another, so there is one at a time."""

    def __init__(self, learn: Callable[[Sampling, int], None], counters: Any = None) -> None:
        self._learn, self._counters = learn, counters
        self._now: Sampling | None = None

    def install(self, helpers: Any) -> bool:
        """Stand around the two functions of ``helpers``; False where it has them not, or already."""
        names = ("prepare_sampling", "cleanup_models")
        if not all(callable(getattr(helpers, name, None)) for name in names):
            return False
        if getattr(helpers.prepare_sampling, "vramwise_watches", False):
            return False
        prepare, cleanup = (getattr(helpers, name) for name in names)

        @functools.wraps(prepare)
        def prepare_sampling(*given: Any, **named: Any) -> Any:
            prepared = prepare(*given, **named)
            self._quietly(self._begin, *given, **named)
            return prepared

        @functools.wraps(cleanup)
        def cleanup_models(*given: Any, **named: Any) -> Any:
            self._quietly(self._end)
            return cleanup(*given, **named)

        prepare_sampling.vramwise_watches = True  # type: ignore[attr-defined]
        helpers.prepare_sampling, helpers.cleanup_models = prepare_sampling, cleanup_models
        return True

    def _quietly(self, call: Callable[..., None], *given: Any, **named: Any) -> None:
        """A picture is never lost over bookkeeping."""
        try:
            call(*given, **named)
        except Exception as error:
            self._now = None
            log.debug("This sampling is not remembered: %r", error)

    def _begin(self, model: Any, noise_shape: Any, *_given: Any, **_named: Any) -> None:
        self._now = None
        device = torch.device(model.load_device)
        counters = self._counters or (getattr(torch, device.type) if device.type in _COUNTED else None)
        whole = model.loaded_size() >= model.model_size()
        if counters is None or not whole or not _learning():
            return
        shape = [int(side) for side in noise_shape]
        counters.reset_peak_memory_stats(device)
        self._now = Sampling(
            device,
            type(model.model.model_config).__name__,
            float(model.model.memory_usage_factor),
            shape[0] * math.prod(shape[2:]),
            str(model.model.get_dtype()).removeprefix("torch."),
            int(counters.memory_allocated(device)),
        )

    def _end(self) -> None:
        begun, self._now = self._now, None
        if begun is None:
            return
        counters = self._counters or getattr(torch, begun.device.type)
        peak = int(counters.max_memory_allocated(begun.device))
        total = int(counters.get_device_properties(begun.device).total_memory)
        if begun.before_bytes < peak < _FULL * total:
            self._learn(begun, peak - begun.before_bytes)


class _Record:
    """Writes in a thread of its own, for the file may be another process's for a while. What is known
    already within two per cent is not written again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], int] = {}

    def __call__(self, begun: Sampling, peak_bytes: int) -> None:
        key = (str(begun.device), begun.architecture, begun.factor, begun.area, begun.dtype)
        if abs(peak_bytes - self._known.get(key, 0)) <= 0.02 * peak_bytes:
            return
        self._known[key] = peak_bytes
        threading.Thread(target=_remember, args=(begun, peak_bytes), name="vramwise peaks").start()


def _remember(begun: Sampling, peak_bytes: int) -> None:
    from ...core.host import current_places
    from ...core.planning.run_history import device_label
    from ...core.planning.sampling_peaks import remember

    label = device_label(f"{begun.device.type}:{begun.device.index or 0}")
    folder = current_places().user_dir
    remember(folder, label, begun.architecture, begun.factor, begun.area, peak_bytes, begun.dtype)


def _learning() -> bool:
    from ...core.settings import load_settings

    return load_settings().learn_peaks


def watch_sampling() -> None:
    """Learn from what ComfyUI samples on a GPU; on the processor nothing is put in place."""
    import comfy.model_management as mm

    try:
        import comfy.sampler_helpers as helpers

        if mm.get_torch_device().type in _COUNTED:
            SamplingWatch(_Record()).install(helpers)
    except Exception as error:
        log.debug("Samplings are not watched: %r", error)
