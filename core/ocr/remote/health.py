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
    """What one address answered; ``trouble`` is empty for one that is well."""

    place: str
    models: dict[str, int | None]
    seconds: float
    trouble: str = ""


def look(endpoint: Endpoint, key: str) -> list[Health]:
    """Ask every address for its models at once, each for SECONDS at most."""

    async def all_of_them() -> list[Health]:
        return await asyncio.gather(*(_look_at(url, endpoint, key) for url in endpoint.urls))

    with EventLoop() as loop:
        return loop.submit(all_of_them()).result()


def lines(endpoint: Endpoint, key: str, model: str, family: str) -> Iterator[str]:
    """The plan, one sentence a line."""
    found = look(endpoint, key)
    well = [one for one in found if not one.trouble]
    yield (
        f"Read by the endpoint {endpoint.name}: {len(well)} of {len(found)} "
        f"{'server answers' if len(found) == 1 else 'servers answer'} now. No memory of this machine is used."
    )
    wished = model or endpoint.model
    for one in found:
        if one.trouble:
            yield one.trouble
        else:
            yield f"{one.place} answers in {one.seconds * 1000:.0f} ms; {_serves(one, wished)}."
    if not well and not wished:
        return
    try:
        chosen = choose_model(endpoint, model, well[0].models if well else {})
        of = choose_family(family if family != "auto" else endpoint.family, chosen)
    except VramwiseError as error:
        yield str(error)
    else:
        yield f"Prompts and answers are those of {of.name}, for the model {chosen}."


def _serves(one: Health, wished: str) -> str:
    if wished and one.models and wished not in one.models:
        return f"it does not list the model {wished}, but {', '.join(list(one.models)[:5])}"
    shown = [wished] if wished in one.models else list(one.models)[:5]
    named = [
        f"{name} ({one.models[name]:,} tokens of context)" if one.models[name] else name for name in shown
    ]
    return f"it serves {', '.join(named)}" if named else "it lists no model"


async def _look_at(url: str, endpoint: Endpoint, key: str) -> Health:
    client = Client(url, endpoint, key, SECONDS)
    await client.ready()
    started = time.perf_counter()
    try:
        models = await asyncio.wait_for(client.models(), SECONDS)
    except asyncio.TimeoutError:
        return Health(place(url), {}, SECONDS, f"{place(url)} does not answer within {SECONDS:g} s.")
    except RequestError as trouble:
        if trouble.kind not in (Kind.UNREACHABLE, Kind.REFUSED):  # one without this list may still read
            return Health(place(url), {}, time.perf_counter() - started)
        return Health(place(url), {}, time.perf_counter() - started, trouble.said)
    finally:
        await client.close()
    return Health(place(url), models, time.perf_counter() - started)
