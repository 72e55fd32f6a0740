"""Keys stay out of logs: HTTP libraries write headers and messages at the level DEBUG, and a server may
repeat a key in any of them.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable

# A filter holds for the logger it is put on and not for those below it, so each is named.
_LOGGERS = (
    *(
        f"httpcore{version}{part}"
        for version in ("", "2")
        for part in ("", ".connection", ".http11", ".http2", ".proxy", ".socks")
    ),
    "httpx", "httpx2", "openai", "openai._base_client", "openai._response", "openai._legacy_response",
    "urllib3", "urllib3.connection", "urllib3.connectionpool", "urllib3.poolmanager", "urllib3.response",
    "urllib3.util.retry", "requests", "asyncio",
)  # fmt: skip
_FORMATTER = logging.Formatter()


class _Redaction(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._secrets: Counter[str] = Counter()
        self._guard = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; what the record says has its secrets replaced."""
        secrets = list(self._secrets)
        message = record.getMessage()
        if any(secret in message for secret in secrets):
            record.msg, record.args = _without(message, secrets), None
        if record.exc_info and secrets:
            text = _FORMATTER.formatException(record.exc_info)
            if any(secret in text for secret in secrets):
                record.exc_info, record.exc_text = None, _without(text, secrets)
        return True

    def add(self, secrets: Iterable[str]) -> None:
        with self._guard:
            self._secrets.update(secrets)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def drop(self, secrets: Iterable[str]) -> None:
        with self._guard:
            self._secrets.subtract(secrets)
            self._secrets += Counter()
            if self._secrets:
                return
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)


_redaction = _Redaction()


class HiddenInLogs:
    """Keeps ``secrets`` out of the HTTP libraries' logs until ``end`` is called."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if len(secret) > 2]
        _redaction.add(self._secrets)

    def end(self) -> None:
        _redaction.drop(self._secrets)
        self._secrets = []


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
