"""The plan of a remote model: no bytes of this machine, but who answers and what is served there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ...catalog.words import Said, as_written, in_language, said
from ...errors import VramwiseError
from ...units import figure
from .client import Client
from .endpoints import Endpoint, place
from .errors import Kind, RequestError
from .event_loop import EventLoop
from .model_match import choose_family, choose_model

SECONDS = 2.0


@dataclass(frozen=True)
class Health:
    """What one address answered; ``problem`` is a sentence, empty for one that is well."""

    place: str
    models: dict[str, int | None]
    seconds: float
    problem: str = ""


def check(endpoint: Endpoint, key: str) -> list[Health]:
    """Ask every address for its models at once, each for SECONDS at most."""

    async def check_all() -> list[Health]:
        return await asyncio.gather(*(_check_one(url, endpoint, key) for url in endpoint.urls))

    with EventLoop() as loop:
        return loop.submit(check_all()).result()


def lines(endpoint: Endpoint, key: str, model: str, family: str) -> Iterator[str]:
    """The plan, one sentence a line."""
    found = check(endpoint, key)
    well = [server for server in found if not server.problem]
    head = "remote_head_one" if len(found) == 1 else "remote_head"
    yield said(head, name=as_written(endpoint.name), well=len(well), all=len(found))
    wished = model or endpoint.model
    for server in found:
        if server.problem:
            yield server.problem
        else:
            ms = figure(server.seconds * 1000, ".0f")
            yield said("remote_answers", place=server.place, ms=ms, serves=_serves(server, wished))
    if not well and not wished:
        return
    try:
        chosen = choose_model(endpoint, model, well[0].models if well else {})
        chosen_family = choose_family(family if family != "auto" else endpoint.family, chosen)
    except VramwiseError as error:
        yield str(error)
    else:
        yield said("remote_like", family=chosen_family.name, model=as_written(chosen))


def _serves(server: Health, wished: str) -> Said:
    if wished and server.models and wished not in server.models:
        others = as_written(", ".join(list(server.models)[:5]))
        return said("remote_lists_not", model=as_written(wished), others=others)
    shown = [wished] if wished in server.models else list(server.models)[:5]
    if not shown:
        return said("remote_lists_none")

    def named(lang: str) -> str:
        return ", ".join(in_language(_with_context(name, server.models[name]), lang) for name in shown)

    return said("remote_serves", models=named)


def _with_context(name: str, tokens: int | None) -> object:
    """``name`` of a model with how many tokens it keeps, where the server tells."""
    shown = as_written(name)
    return said("remote_context", name=shown, tokens=figure(tokens, ",")) if tokens else shown


async def _check_one(url: str, endpoint: Endpoint, key: str) -> Health:
    client = Client(url, endpoint, key, SECONDS)
    await client.ready()
    started = time.perf_counter()
    try:
        models = await asyncio.wait_for(client.models(), SECONDS)
    except asyncio.TimeoutError:
        return Health(
            place(url), {}, SECONDS, said("remote_silent", place=place(url), seconds=figure(SECONDS))
        )
    except RequestError as error:
        if error.kind not in (Kind.UNREACHABLE, Kind.REFUSED):  # one without this list may still read
            return Health(place(url), {}, time.perf_counter() - started)
        return Health(place(url), {}, time.perf_counter() - started, error.message)
    finally:
        await client.close()
    return Health(place(url), models, time.perf_counter() - started)
