"""Several servers as one: the least busy one is asked, a failing one is left alone for a while."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import VramwiseError
from .chat_request import ChatRequest, Completion
from .client import Client, StreamCallback
from .errors import EndpointError, Kind, RequestError, WebPage

_CHECK_EVERY = 0.05  # seconds between two looks for a free server
_CHECK_SECONDS = 5.0  # that a server which failed gets to show that it is back


@dataclass(frozen=True)
class RetryPolicy:
    """How long one page is tried. ``timeout`` is for one request, in seconds; a page is given up after twice
    that, after ``tries`` requests, or after ``first_tries`` where no server has answered anything yet.
    """

    timeout: float = 300.0
    tries: int = 8
    first_tries: int = 3
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def backoff(self, failures: int) -> float:
        """Seconds that a server rests after its ``failures``-th failure in a row: doubled each time, and
        shortened by up to half at random so that pages do not come back all at once.
        """
        longest = min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret


class _Server:
    """A client with what is known about its health."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.outstanding = 0
        self.failures = 0
        self.rests_until = 0.0
        self.refused: RequestError | None = None
        self.showed_page = False

    def free(self, now: float) -> bool:
        """A server that failed gets one page to show that it is back, the others wait."""
        return self.refused is None and now >= self.rests_until and not (self.failures and self.outstanding)


class ServerPool:
    """Answers requests with whatever server can. Lives inside one event loop."""

    def __init__(self, clients: Sequence[Client], retry_policy: RetryPolicy) -> None:
        self._servers = [_Server(client) for client in clients]
        self._retry_policy = retry_policy
        self._answered_at: float | None = None

    async def close(self) -> None:
        await asyncio.gather(*(server.client.close() for server in self._servers), return_exceptions=True)

    async def answer(self, request: ChatRequest, on_stream: StreamCallback) -> Completion:
        """The answer of one server. Raises VramwiseError for this page, EndpointError for all."""
        begun, tries = time.monotonic(), 0
        last: RequestError | None = None
        while True:
            server = await self._choose(begun, last)
            try:
                completion = await self._ask(server, request, on_stream)
            except RequestError as error:
                if error.kind is Kind.PAGE:
                    raise VramwiseError(error.message) from error
                last = error
                tries += error.kind in (Kind.UNREACHABLE, Kind.FAILED)
            else:
                server.failures, self._answered_at = 0, time.monotonic()
                return completion
            never = self._answered_at is None and last.kind is Kind.UNREACHABLE
            policy = self._retry_policy
            if tries >= (policy.first_tries * len(self._servers) if never else policy.tries):
                raise self._given_up(last, begun)

    async def models(self) -> dict[str, int | None]:
        """What the servers list, the first that answers, nothing where it has no such list; EndpointError
        when none answers.
        """
        last: RequestError | None = None
        for server in self._servers:
            try:
                return await asyncio.wait_for(server.client.models(), min(10.0, self._retry_policy.timeout))
            except asyncio.TimeoutError:
                last = RequestError(Kind.UNREACHABLE, f"{server.client.place} did not answer in time.")
            except RequestError as error:
                if error.kind not in (Kind.UNREACHABLE, Kind.REFUSED):
                    return {}
                last = error
        raise self._given_up(
            last or RequestError(Kind.REFUSED, "The endpoint has no address."), time.monotonic()
        )

    async def _ask(self, server: _Server, request: ChatRequest, on_stream: StreamCallback) -> Completion:
        server.outstanding += 1
        try:
            if server.failures:
                await self._check(server)
            return await asyncio.wait_for(server.client.ask(request, on_stream), self._retry_policy.timeout)
        except asyncio.TimeoutError:
            message = f"{server.client.place} did not finish a page in {self._retry_policy.timeout:g} s."
            timed_out = RequestError(Kind.FAILED, message)
            self._note(server, timed_out)
            raise timed_out from None
        except RequestError as error:
            self._note(server, error)
            raise
        finally:
            server.outstanding -= 1

    async def _check(self, server: _Server) -> None:
        """Ask a server that failed whether it is there at all, before a page waits for it."""
        try:
            await asyncio.wait_for(server.client.models(), min(_CHECK_SECONDS, self._retry_policy.timeout))
        except asyncio.TimeoutError:
            raise RequestError(Kind.UNREACHABLE, f"{server.client.place} did not answer in time.") from None
        except RequestError as error:
            if isinstance(error, WebPage) and server.showed_page:
                # at both addresses: nothing of an API was ever there, or the network wants a sign-in now
                if self._answered_at is not None:
                    raise RequestError(Kind.UNREACHABLE, error.message, advised=True) from None
                raise
            if error.kind is Kind.UNREACHABLE:
                raise

    def _note(self, server: _Server, error: RequestError) -> None:
        """Remember what happened: a server rests, or is never asked again in this reading."""
        now = time.monotonic()
        server.showed_page = isinstance(error, WebPage) or (
            server.showed_page and error.kind is Kind.UNREACHABLE
        )
        if error.kind is Kind.REFUSED:
            server.refused = error
        elif error.kind is Kind.BUSY and error.wait is not None:
            server.rests_until = max(server.rests_until, now + error.wait)
        elif error.kind is not Kind.PAGE and now >= server.rests_until:
            # Requests that were under way when a server died are one failure, not sixteen.
            server.failures += 1
            server.rests_until = now + self._retry_policy.backoff(server.failures)

    async def _choose(self, begun: float, last: RequestError | None) -> _Server:
        """The free server with the fewest requests, one whose rest is over before all others; waits for one
        within the page's time.
        """
        until = begun + 2 * self._retry_policy.timeout
        while True:
            now = time.monotonic()
            usable = [server for server in self._servers if server.refused is None]
            if not usable:
                raise EndpointError(
                    " ".join(server.refused.message for server in self._servers if server.refused)
                )
            free = [server for server in usable if server.free(now)]
            if free:
                return min(free, key=lambda server: (not server.failures, server.outstanding))
            soonest = min(server.rests_until for server in usable)
            if max(now, soonest) > until:
                last = last or RequestError(Kind.BUSY, "No server of the endpoint is free.")
                raise self._given_up(last, begun, soonest - now)
            await asyncio.sleep(min(max(soonest - now, _CHECK_EVERY), until - now + _CHECK_EVERY))

    def _given_up(self, last: RequestError, begun: float, wait: float = 0.0) -> VramwiseError:
        """The last error as the page's, or as everybody's when no server has answered meanwhile."""
        message = last.message
        if last.kind is Kind.BUSY and wait > 1:
            message += f" The wait of {wait:.0f} s is longer than this page may take; try again later."
        elif last.kind is Kind.UNREACHABLE and not last.advised:
            message += " Check that the server runs, and the address in config.yaml."
        elif last.kind is Kind.FAILED:
            message += " It was tried several times."
        alive = self._answered_at is not None and self._answered_at >= begun
        everybodys = last.kind in (Kind.UNREACHABLE, Kind.BUSY) and not alive
        return EndpointError(message) if everybodys else VramwiseError(message)
