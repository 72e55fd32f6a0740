"""The key of an endpoint goes to that endpoint and nowhere else, and nobody else's goes there."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from vramwise.errors import VramwiseError
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.remote import open_remote, resolve
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.settings import load_settings

from devtools.fakes.chat_server import MODEL, ChatServer
from devtools.fakes.fault_proxy import FAULTS, FaultProxy

KEY = "sk-vramwise-test-0123456789abcdef"
Endpoints = Callable[..., None]
Pictures = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-elses")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-somebody-elses")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-somebody-elses")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Other: somebody-elses")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://203.0.113.7/v1")


class Echoing(ChatServer):
    """Says no, and repeats what it was sent."""

    status = 500

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        said = f"bad request with {request.headers.get('Authorization')}"
        return web.json_response({"error": {"message": said}}, status=self.status)


def test_the_key_reaches_its_server_and_no_other_header_does(
    endpoints: Endpoints, pictures: Pictures
) -> None:
    with ChatServer() as server:
        endpoints(studio={"urls": [server.url], "key_env": "STUDIO_KEY"})
        list(open_remote("studio").read(pictures(1)))
        assert server.headers.pop("Authorization") == f"Bearer {KEY}"
        assert "somebody-elses" not in json.dumps(server.headers)
        assert {name.lower() for name in server.headers} <= {
            "host",
            "accept",
            "accept-encoding",
            "connection",
            "content-length",
            "content-type",
        }


def test_an_endpoint_without_a_key_is_sent_none(endpoints: Endpoints, pictures: Pictures) -> None:
    with ChatServer() as server:
        endpoints(studio={"urls": [server.url]})
        list(open_remote("studio").read(pictures(1)))
        assert "Authorization" not in server.headers
        assert "somebody-elses" not in json.dumps(server.headers)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_the_key_is_in_no_error_no_log_no_result_and_no_plan(
    status: int, endpoints: Endpoints, pictures: Pictures, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Echoing() as server, ChatServer() as good:
        server.status = status
        endpoints(
            studio={"urls": [server.url], "key_env": "STUDIO_KEY"},
            good={"urls": [good.url], "key_env": "STUDIO_KEY"},
        )
        retry_policy = RetryPolicy(timeout=1.0, tries=2, first_tries=1, first_wait=0.01, longest_wait=0.02)
        engine = RemoteEngine(resolve("studio", load_settings()), KEY, MODEL, "auto", 1, retry_policy)
        with pytest.raises(VramwiseError) as caught:
            list(engine.read(pictures(1), ReadOptions(), NoProgress()))
        handle = open_remote("good")
        results = [result.to_dict() for result in handle.read(pictures(1))]
        said = [repr(caught.value), handle.plan(), open_remote("studio").plan(), repr(handle)]
        said += [json.dumps(results), handle.fingerprint(), str(pickle.dumps(handle)), caplog.text]
        said += traceback.format_exception(caught.value)
        assert caplog.text, "something was logged at the level DEBUG"
        assert not [text for text in said if KEY in text]


def test_a_redirect_is_not_followed_and_the_key_stays(endpoints: Endpoints, pictures: Pictures) -> None:
    class RemoteCandidate(ChatServer):
        pass

    async def away(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=307, headers={"Location": f"{stranger.url}/v1/chat/completions"})

    with RemoteCandidate() as stranger, FaultProxy("http://127.0.0.1:9", ["away"] * 9) as proxy:
        FAULTS["away"] = away
        endpoints(studio={"urls": [proxy.url], "key_env": "STUDIO_KEY"})
        with pytest.raises(VramwiseError, match="redirects are not followed"):
            list(open_remote("studio", model=MODEL).read(pictures(1)))
        assert not stranger.pictures and not stranger.headers


def test_a_key_that_is_not_set_is_a_sentence_with_its_variable(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STUDIO_KEY")
    endpoints(studio={"urls": ["http://127.0.0.1:9"], "key_env": "STUDIO_KEY"})
    with pytest.raises(VramwiseError, match="environment variable STUDIO_KEY, which is not set"):
        open_remote("studio").read([])
    assert "STUDIO_KEY" in open_remote("studio").plan()


def test_the_proxy_of_the_environment_is_not_asked_for_this_machine(
    endpoints: Endpoints, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChatServer() as server, ChatServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        endpoints(studio={"urls": [server.url]})
        assert len(list(open_remote("studio").read(pictures(2)))) == 2
        assert not proxy.headers


def test_a_certificate_that_nobody_vouches_for_is_refused(
    endpoints: Endpoints, pictures: Pictures, tmp_path: Any
) -> None:
    import shutil
    import ssl
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("There is no openssl here to make a certificate with.")
    cert, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", private, "-out", cert], check=True, capture_output=True)

    class Secure(ChatServer):
        async def _start(self) -> None:
            await self.before()
            self._runner = web.AppRunner(self.application())
            await self._runner.setup()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, private)
            await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
            self.port = self._runner.addresses[0][1]

    with Secure() as server:
        endpoints(studio={"urls": [f"https://127.0.0.1:{server.port}"], "key_env": "STUDIO_KEY"})
        with pytest.raises(VramwiseError, match=r"certificate of 127\.0\.0\.1:.* cannot be checked"):
            list(open_remote("studio", model=MODEL).read(pictures(1)))
        assert not server.headers
