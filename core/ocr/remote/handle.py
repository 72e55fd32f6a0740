"""A handle of a model that is served elsewhere: a name and wishes, no address, no key, no connection."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ...catalog.readers import check_language
from ...catalog.words import in_language
from ...errors import VramwiseError
from ...option_values import TASKS, check_choice
from ...settings import MAX_CONCURRENCY, load_settings
from ..engines.protocol import NoProgress, ProgressCallback, ReadOptions
from ..results.outcomes import until_failure
from ..vlm.json_answers import read_checked
from .endpoints import DEFAULT_TIMEOUT, Endpoint, resolve
from .model_match import AUTO, choose_family

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ...families.family import Family
    from ..results.outcomes import Outcome
    from ..results.result import OCRResult
    from .engine import RemoteEngine


@dataclass(frozen=True)
class RemoteHandle:
    """An endpoint by name with a model; empty ``model`` and 0 ``concurrency`` mean config.yaml's choice.

    ``timeout`` is in seconds and for one request. The entry of config.yaml and the key are read anew at each
    reading.
    """

    endpoint: str
    model: str = ""
    family: str = AUTO
    concurrency: int = 0
    timeout: float = DEFAULT_TIMEOUT

    def read(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[OCRResult]:
        """One OCRResult per uint8 RGB image (height, width, 3), in order. Raises VramwiseError."""
        return until_failure(self.read_each(images, options, progress))

    def read_each(
        self,
        images: Iterable[NDArray[uint8]],
        options: ReadOptions | None = None,
        progress: ProgressCallback | None = None,
    ) -> Generator[Outcome, None, None]:
        """As ``read``, with a page that fails as its VramwiseError in its place; see RemoteEngine."""
        engine = self._engine(options)
        return read_checked(engine.read_each, images, options or ReadOptions(), progress or NoProgress())

    def plan(self, lang: str = "en") -> str:
        """Which servers answer now and what they serve, for a person, in "en", "ru" or "zh". Asks each for
        two seconds at most.
        """
        from .health import lines

        try:
            endpoint = resolve(self.endpoint, load_settings())
            told = lines(endpoint, endpoint.key(os.environ), self.model, self.family)
            return "\n".join(in_language(line, lang) for line in told)
        except VramwiseError as error:
            return in_language(error, lang)

    @property
    def answers_questions(self) -> bool:
        """As OCRHandle's."""
        return True

    def not_used(self, options: ReadOptions) -> tuple[str, ...]:
        """As OCRHandle's."""
        from ..vlm.prompts import ignored

        return ignored(options)

    def family_named(self) -> Family | None:
        """The family by config.yaml, the node or the model's name; None where only the server knows."""
        try:
            endpoint = resolve(self.endpoint, load_settings())
            wished = self.family if self.family != AUTO else endpoint.family
            return choose_family(wished, self.model or endpoint.model)
        except VramwiseError:
            return None

    def fingerprint(self) -> str:
        """Changes when the endpoint's entry does; an unknown one has the sentence about it."""
        try:
            entry = asdict(resolve(self.endpoint, load_settings()))
        except VramwiseError as error:
            return str(error)
        return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()

    def release(self) -> bool:
        """Nothing is held here."""
        return False

    def _engine(self, options: ReadOptions | None) -> RemoteEngine:
        from .engine import RemoteEngine
        from .server_pool import RetryPolicy

        check_choice("task", (options or ReadOptions()).task, TASKS)
        check_language((options or ReadOptions()).language)
        endpoint = resolve(self.endpoint, load_settings())
        key = endpoint.key(os.environ)
        at_once = self.concurrency or endpoint.concurrency
        return RemoteEngine(
            endpoint, key, self.model, self.family, at_once, RetryPolicy(timeout=self.timeout)
        )


def open_remote(
    name: str,
    model: str | None = None,
    family: str | None = None,
    concurrency: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> RemoteHandle:
    """A checked handle of the endpoint ``name``. Nothing is sent; raises VramwiseError for a name that is not
    in config.yaml, an unknown family and numbers out of range.
    """
    endpoint: Endpoint = resolve(name, load_settings())
    wished = family or AUTO
    if wished != AUTO:
        choose_family(wished, "")
    if endpoint.family != AUTO:
        choose_family(endpoint.family, "")
    if concurrency is not None and not 0 <= concurrency <= MAX_CONCURRENCY:
        raise VramwiseError(f"concurrency must be from 1 to {MAX_CONCURRENCY}, not {concurrency}.")
    if not 1 <= timeout <= 3600:
        raise VramwiseError(f"The timeout must be from 1 to 3600 seconds, not {timeout}.")
    return RemoteHandle(name, (model or "").strip(), wished, concurrency or 0, float(timeout))
