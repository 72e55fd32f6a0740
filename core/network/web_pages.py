"""Is an answer a web page? A network's sign-in, a proxy or a site may stand where another was asked for."""

from __future__ import annotations


def is_web_page(content_type: str, begin: str = "") -> bool:
    """Whether an answer is HTML, by its header or by how it begins."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") or begin.lstrip().lower().startswith(
        ("<!doctype html", "<html")
    )
