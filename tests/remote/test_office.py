"""Behind an office's proxy: hub and endpoints take one set of certificates and one way out."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog import OCRModel
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.network.proxies import proxy_for
from vramwise.ocr.engines.protocol import NoProgress, ReadOptions
from vramwise.ocr.remote import open_remote, resolve
from vramwise.ocr.remote.engine import RemoteEngine
from vramwise.ocr.remote.server_pool import RetryPolicy
from vramwise.settings import Settings, load_settings
from vramwise.weights import download_model, file_transfer

from devtools.fakes.authority import Authority, available
from devtools.fakes.chat_server import MODEL, ChatServer
from devtools.fakes.model_hub import World, serving
from devtools.fakes.office_proxy import OfficeProxy, proxying

REPO = "Qwen/Qwen3-VL-2B-Instruct"
ROW = OCRModel(
    id="qwen3_vl_2b", name="Qwen3-VL 2B", engine="vlm", runs_on="gpu", weight_bytes=None,
    licence="", about="", source="", date="", family="qwen3_vl", repo=REPO,
)  # fmt: skip
HEADER = json.dumps({"a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}}).encode()
FILES = {
    "config.json": b'{"model_type": "qwen3_vl"}',
    "model.safetensors": len(HEADER).to_bytes(8, "little") + HEADER + bytes(64),
}
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
KEY = "sk-office-0123456789abcdef"
QUICK = RetryPolicy(timeout=60.0, tries=1, first_tries=1, first_wait=0.01, longest_wait=0.02)
PASSWORD = "geheim%40haus"  # noqa: S105 - as it is written in an address: geheim@haus
BOTH = pytest.mark.parametrize("who", ["hub", "endpoint"])


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*CERTIFICATES, *PROXIES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HF_TOKEN", KEY)
    monkeypatch.setenv("STUDIO_KEY", KEY)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(file_transfer, "WAIT_SECONDS", 0.0)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Authority:
    require(available(), "There is no openssl here to make certificates with.")
    return Authority(tmp_path_factory.mktemp("authority"))


class Office:
    """A hub and an endpoint with certificates of the office, and what it takes to reach either."""

    def __init__(
        self, tmp_path: Path, endpoints: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._tmp_path, self._endpoints, self._monkeypatch = tmp_path, endpoints, monkeypatch
        self.hub_url = self.endpoint_url = ""
        self.world = World(REPO, "8" * 40, FILES)

    def reach(self, who: str, pages: list[Any]) -> None:
        """Fetch the model, or read a page; raises VramwiseError where that fails."""
        if who == "hub":
            self._monkeypatch.setenv("HF_ENDPOINT", self.hub_url)
            places = Places(user_dir=self._tmp_path / "user", models_dirs=(self._tmp_path / "models",))
            path = download_model(ROW, Settings(places=places))
            assert (path / "model.safetensors").read_bytes() == FILES["model.safetensors"]
        else:
            self._endpoints(studio={"urls": [self.endpoint_url], "key_env": "STUDIO_KEY"})
            engine = RemoteEngine(resolve("studio", load_settings()), KEY, MODEL, "auto", 1, QUICK)
            (result,) = engine.read(pages, ReadOptions(), NoProgress())
            assert result.text.startswith("page ")


@pytest.fixture
def office(
    tmp_path: Path, authority: Authority, endpoints: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    office, endpoint = Office(tmp_path, endpoints, monkeypatch), ChatServer()
    endpoint.tls = authority.server_tls
    with serving(office.world, authority.server_tls) as world, endpoint:
        office.hub_url, office.endpoint_url = world.url, endpoint.url
        yield office


@BOTH
@pytest.mark.parametrize("variable", CERTIFICATES)
def test_each_variable_suffices(
    who: str, variable: str, office: Office, authority: Authority, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "office.crt").write_bytes(authority.certificate.read_bytes())
    value = folder if variable == "SSL_CERT_DIR" else authority.certificate
    monkeypatch.setenv(variable, str(value))
    office.reach(who, pictures(1))


@BOTH
def test_one_variable_that_is_stale_does_not_spoil_another(
    who: str, office: Office, authority: Authority, monkeypatch: pytest.MonkeyPatch,
    pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    office.reach(who, pictures(1))


@pytest.mark.parametrize("form", ["der", "utf-16", "quoted", "text around", "folder"])
def test_certificates_as_people_save_them(
    form: str, office: Office, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    pem, file = authority.certificate.read_text("ascii"), tmp_path / "office.cer"
    if form == "der":
        file.write_bytes(ssl.PEM_cert_to_DER_cert(pem))
    elif form == "utf-16":
        file.write_text(pem, encoding="utf-16")
    else:
        file.write_text(f"Bag Attributes: the office's\n{pem}\nend", encoding="utf-8-sig")
    value = {"quoted": f'"{file}"', "folder": str(tmp_path)}.get(form, str(file))
    monkeypatch.setenv("SSL_CERT_FILE", value)
    office.reach("hub", [])


@BOTH
@pytest.mark.parametrize(
    ("left", "says"),
    [
        (None, r"SSL_CERT_FILE"),
        ("missing", r"REQUESTS_CA_BUNDLE names .*office\.pem, and there is no such file"),
        ("", r"REQUESTS_CA_BUNDLE names .*office\.pem, which holds no certificate"),
        ("nonsense", r"REQUESTS_CA_BUNDLE names .*office\.pem, which holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", r"which holds no certificate"),
    ],
)
def test_a_certificate_that_cannot_be_checked_is_said_with_the_variable(
    who: str, left: str | None, says: str, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    if left is not None:
        file = tmp_path / "office.pem"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        if left != "missing":
            file.write_text(left, encoding="ascii")
    with pytest.raises(
        VramwiseError, match=rf"The certificate of 127\.0\.0\.1:\d+ cannot be checked.*{says}"
    ) as told:
        office.reach(who, pictures(1))
    assert "Check the network" not in str(told.value)
    assert not office.world.asked, "the token has not left this machine"


@BOTH
@pytest.mark.parametrize(
    ("names", "days", "says"),
    [(("other.vramwise.test",), 2, "is for another name"), (("localhost",), 0, "clock says")],
)
def test_a_certificate_for_another_name_or_time_says_so(
    who: str, names: tuple[str, ...], days: int, says: str, office: Office, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    wrong = Authority(tmp_path, names, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(wrong.certificate))
    endpoint = ChatServer()
    endpoint.tls = wrong.server_tls
    with serving(World(REPO, "8" * 40, FILES), wrong.server_tls) as world, endpoint:
        office.hub_url = world.url.replace("127.0.0.1", "localhost")
        office.endpoint_url = endpoint.url.replace("127.0.0.1", "localhost")
        with pytest.raises(VramwiseError, match=rf"certificate of localhost:\d+ cannot be checked.*{says}"):
            office.reach(who, pictures(1))


@BOTH
def test_plain_http_behind_https_is_said(
    who: str, office: Office, pictures: Callable[..., list[Any]]
) -> None:
    with ChatServer() as server:
        office.hub_url = office.endpoint_url = server.url.replace("http:", "https:")
        with pytest.raises(VramwiseError, match="does not speak TLS: is its address http://"):
            office.reach(who, pictures(1))


@pytest.fixture
def proxy(office: Office, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[OfficeProxy]:
    """The way to hub.vramwise.test and endpoint.vramwise.test, of which only the proxy knows."""
    ports = {
        "hub.vramwise.test": int(office.hub_url.rsplit(":", 1)[1]),
        "endpoint.vramwise.test": int(office.endpoint_url.rsplit(":", 1)[1]),
    }
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    office.hub_url, office.endpoint_url = "https://hub.vramwise.test", "https://endpoint.vramwise.test/v1"
    with proxying(OfficeProxy(ports)) as proxy:
        yield proxy


@BOTH
@pytest.mark.parametrize(
    ("variable", "scheme"), [("HTTPS_PROXY", "http://"), ("https_proxy", ""), ("ALL_PROXY", "")]
)
def test_hub_and_endpoints_go_by_the_proxy(
    who: str, variable: str, scheme: str, office: Office, proxy: OfficeProxy,
    monkeypatch: pytest.MonkeyPatch, pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, proxy.url.replace("http://", scheme))
    office.reach(who, pictures(1))
    assert set(proxy.asked) == {f"{who}.vramwise.test:443"}


@BOTH
def test_plain_http_goes_by_http_proxy(
    who: str, office: Office, monkeypatch: pytest.MonkeyPatch, pictures: Callable[..., list[Any]]
) -> None:
    endpoint = ChatServer()
    with serving(World(REPO, "8" * 40, FILES)) as world, endpoint:
        ports = {
            "hub.vramwise.test": int(world.url.rsplit(":", 1)[1]),
            "endpoint.vramwise.test": endpoint.port,
        }
        with proxying(OfficeProxy(ports)) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            office.hub_url, office.endpoint_url = (
                "http://hub.vramwise.test",
                "http://endpoint.vramwise.test/v1",
            )
            office.reach(who, pictures(1))
            assert set(proxy.asked) == {f"{who}.vramwise.test"}


@BOTH
def test_what_no_proxy_names_and_this_machine_itself_go_directly(
    who: str, office: Office, monkeypatch: pytest.MonkeyPatch, authority: Authority,
    pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with proxying(OfficeProxy(refuses=403)) as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        office.reach(who, pictures(1))  # 127.0.0.1
        assert not proxy.asked


@BOTH
@pytest.mark.parametrize(
    ("mood", "says"),
    [
        ({"password": "anna:geheim@haus"}, r"\(HTTPS_PROXY\) asks for a name and a password.*HTTP 407"),
        ({"refuses": 403}, r"\(HTTPS_PROXY\) does not lead to \w+\.vramwise\.test \(HTTP 403\).*NO_PROXY"),
        ({"refuses": 502}, r"\(HTTPS_PROXY\) does not lead to \w+\.vramwise\.test \(HTTP 502\)"),
        (
            "down",
            r"The proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY\) cannot be reached.*unset HTTPS_PROXY.*NO_PROXY",
        ),
        ("nonsense", r"HTTPS_PROXY does not hold the address of a proxy\. Write http://HOST:PORT"),
        ("socks", r"is a SOCKS proxy\. That needs the package (PySocks|socksio).*pip install"),
    ],
)
def test_a_proxy_that_does_not_help_is_a_sentence_without_its_password(
    who: str, mood: Any, says: str, office: Office, proxy: OfficeProxy, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch, pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    address = f"http://berta:{PASSWORD}@127.0.0.1:{proxy.port}"
    if isinstance(mood, dict):
        vars(proxy).update(mood)
    elif mood == "down":
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = address.replace(str(proxy.port), str(nobody.getsockname()[1]))
    else:
        address = {"nonsense": f"htp://x:{PASSWORD}@", "socks": f"socks5://u:{PASSWORD}@127.0.0.1:9"}[mood]
        monkeypatch.setattr("vramwise.network.proxies.find_spec", lambda _: None)
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(VramwiseError, match=says) as told:
        office.reach(who, pictures(1))
    for secret in (PASSWORD, "geheim@haus", KEY):
        assert secret not in str(told.value) and secret not in caplog.text


@BOTH
def test_a_proxy_with_the_right_password_is_passed(
    who: str, office: Office, proxy: OfficeProxy, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch, pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    proxy.password = "anna:geheim@haus"  # noqa: S105
    monkeypatch.setenv("https_proxy", f"http://anna:{PASSWORD}@127.0.0.1:{proxy.port}")
    office.reach(who, pictures(1))
    assert proxy.asked and "geheim" not in caplog.text and KEY not in caplog.text


@BOTH
def test_a_proxy_that_is_spoken_to_by_tls_is_checked_too(
    who: str, office: Office, proxy: OfficeProxy, authority: Authority, monkeypatch: pytest.MonkeyPatch,
    pictures: Callable[..., list[Any]],
) -> None:  # fmt: skip
    with proxying(OfficeProxy(proxy.leads_to), authority.server_tls) as secure:
        monkeypatch.setenv("HTTPS_PROXY", secure.url)
        office.reach(who, pictures(1))
        assert set(secure.asked) == {f"{who}.vramwise.test:443"}


def test_the_plan_says_the_same(
    office: Office, endpoints: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints(studio={"urls": [office.endpoint_url], "key_env": "STUDIO_KEY"})
    assert "cannot be checked" in open_remote("studio").plan()
    monkeypatch.setenv("ALL_PROXY", "gopher://x")
    endpoints(studio={"urls": ["https://endpoint.vramwise.test"], "key_env": "STUDIO_KEY"})
    assert "ALL_PROXY does not hold the address of a proxy" in open_remote("studio").plan()


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("https://huggingface.co/x", "", False),
        ("https://huggingface.co/x", "*", True),
        ("https://huggingface.co/x", "huggingface.co", True),
        ("https://cdn.huggingface.co/x", "huggingface.co", True),
        ("https://cdn.huggingface.co/x", ".huggingface.co", True),
        ("https://cdn.huggingface.co/x", "*.huggingface.co", True),
        ("https://nothuggingface.co/x", "huggingface.co", False),
        ("https://HuggingFace.CO./x", " other , huggingface.co ", True),
        ("http://gpu1:8000/v1", "gpu1:8000", True),
        ("http://gpu1:8001/v1", "gpu1:8000", False),
        ("http://10.1.2.3:8000/v1", "10.0.0.0/8", True),
        ("http://10.1.2.3/v1", "10.1.2.3:80", True),
        ("http://11.1.2.3:8000/v1", "10.0.0.0/8", False),
        ("http://[fd00::7]:8000/v1", "fd00::/8", True),
        ("http://[fd00::7]:8000/v1", "[fd00::7]:8000", True),
        ("http://[fd00::7]:8000/v1", "[fd00::8]", False),
        ("http://localhost:8000/v1", "", True),
        ("http://studio.localhost/v1", "", True),
        ("http://127.9.8.7:8000/v1", "", True),
        ("http://127.1/v1", "", True),
        ("http://2130706433/v1", "", True),
        ("http://[::1]:8000/v1", "", True),
        ("http://[::ffff:127.0.0.1]/v1", "", True),
        ("http://127.evil.test/v1", "", False),
    ],
)
def test_who_goes_by_a_proxy(url: str, no_proxy: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:8080")
    if no_proxy:
        monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url) is None) == direct
