"""The plan of a remote model: no bytes of this machine, but who answers and what is served there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import VramwiseError
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
    yield (
        f"Read by the endpoint {endpoint.name}: {len(well)} of {len(found)} "
        f"{'server answers' if len(found) == 1 else 'servers answer'} now. No memory of this machine is used."
    )
    wished = model or endpoint.model
    for server in found:
        if server.problem:
            yield server.problem
        else:
            yield f"{server.place} answers in {server.seconds * 1000:.0f} ms; {_serves(server, wished)}."
    if not well and not wished:
        return
    try:
        chosen = choose_model(endpoint, model, well[0].models if well else {})
        chosen_family = choose_family(family if family != "auto" else endpoint.family, chosen)
    except VramwiseError as error:
        yield str(error)
    else:
        yield f"Prompts and answers are those of {chosen_family.name}, for the model {chosen}."


def _serves(server: Health, wished: str) -> str:
    if wished and server.models and wished not in server.models:
        return f"it does not list the model {wished}, but {', '.join(list(server.models)[:5])}"
    shown = [wished] if wished in server.models else list(server.models)[:5]
    named = [
        f"{name} ({server.models[name]:,} tokens of context)" if server.models[name] else name
        for name in shown
    ]
    return f"it serves {', '.join(named)}" if named else "it lists no model"


async def _check_one(url: str, endpoint: Endpoint, key: str) -> Health:
    client = Client(url, endpoint, key, SECONDS)
    await client.ready()
    started = time.perf_counter()
    try:
        models = await asyncio.wait_for(client.models(), SECONDS)
    except asyncio.TimeoutError:
        return Health(place(url), {}, SECONDS, f"{place(url)} does not answer within {SECONDS:g} s.")
    except RequestError as error:
        if error.kind not in (Kind.UNREACHABLE, Kind.REFUSED):  # one without this list may still read
            return Health(place(url), {}, time.perf_counter() - started)
        return Health(place(url), {}, time.perf_counter() - started, error.message)
    finally:
        await client.close()
    return Health(place(url), models, time.perf_counter() - started)
