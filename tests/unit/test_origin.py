"""nodes/bridge/origin.py: whose requests are answered. A table of what browsers and proxies really send."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vramwise.catalog.words import in_language

FILE = Path(__file__).resolve().parents[2] / "nodes" / "bridge" / "origin.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vramwise_origin", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


origin = loaded()
LOCAL, LAN = "127.0.0.1", "192.168.1.5"
EVIL = "http://evil.example"
PROXY = "https://comfy.example.com"

# (Host, further headers, the address that took the connection, --enable-cors-header)
ANSWERED = {
    "a program": ("127.0.0.1:8188", {}, LOCAL, None),
    "no Host, as HTTP/1.0 allows": (None, {}, LOCAL, None),
    "our page": ("127.0.0.1:8188", {"Origin": "http://127.0.0.1:8188"}, LOCAL, None),
    "by name": ("localhost:8188", {"Origin": "http://localhost:8188"}, LOCAL, None),
    "in capitals": ("LocalHost:8188", {"Origin": "http://LOCALHOST:8188"}, LOCAL, None),
    "IPv6": ("[::1]:8188", {"Origin": "http://[::1]:8188"}, "::1", None),
    "IPv6 of a link": ("[fe80::1%25eth0]:8188", {}, "fe80::1", None),
    "the usual port": ("192.168.1.5", {"Origin": "http://192.168.1.5"}, LAN, None),
    "the usual port, named": ("192.168.1.5", {"Origin": "http://192.168.1.5:80"}, LAN, None),
    "TLS": ("192.168.1.5:8188", {"Origin": "https://192.168.1.5:8188"}, LAN, None),
    "a name of the house": ("studio.local:8188", {"Origin": "http://studio.local:8188"}, LOCAL, None),
    "a container's name": ("comfyui:8188", {"Origin": "http://comfyui:8188"}, LOCAL, None),
    "a server for many, its public name": ("comfy.example.com", {"Origin": PROXY}, LAN, None),
    "a proxy that rewrites Host": (
        "100.65.18.228",
        {"Origin": PROXY, "Sec-Fetch-Site": "same-origin"},
        LAN,
        None,
    ),
    "a page that ComfyUI was told of": ("127.0.0.1:8188", {"Origin": PROXY}, LOCAL, PROXY),
    "typed into the address bar": ("127.0.0.1:8188", {"Sec-Fetch-Site": "none"}, LOCAL, None),
}
REFUSED = {
    "a foreign page": ("127.0.0.1:8188", {"Origin": EVIL}, LOCAL, None),
    "a foreign page, over the net": ("192.168.1.5:8188", {"Origin": EVIL}, LAN, None),
    "rebound to this machine": ("evil.example:8188", {"Origin": "http://evil.example:8188"}, LOCAL, None),
    "rebound, IPv6": ("evil.example:8188", {"Origin": "http://evil.example:8188"}, "::1", None),
    "rebound, IPv4 in IPv6": ("evil.example:8188", {}, "::ffff:127.0.0.1", None),
    "rebound, with a dot": ("evil.example.:8188", {}, LOCAL, None),
    "rebound, like an address": ("127.0.0.1.nip.io:8188", {}, LOCAL, None),
    "rebound, like a local name": ("localhost.evil.example", {}, LOCAL, None),
    "a proxy's word from a rebound page": ("evil.example", {"X-Forwarded-Host": "127.0.0.1"}, LOCAL, None),
    "a proxy's word of nobody": (
        "127.0.0.1",
        {"Origin": EVIL, "X-Forwarded-Host": "evil.example"},
        LOCAL,
        None,
    ),
    "another port": ("127.0.0.1:8188", {"Origin": "http://127.0.0.1:3000"}, LOCAL, None),
    "another port, the usual one": ("127.0.0.1:8188", {"Origin": "http://127.0.0.1"}, LOCAL, None),
    "another name of this machine": ("127.0.0.1:8188", {"Origin": "http://localhost:8188"}, LOCAL, None),
    "a frame without origin": ("127.0.0.1:8188", {"Origin": "null"}, LOCAL, None),
    "a file": ("127.0.0.1:8188", {"Origin": "file://"}, LOCAL, None),
    "an extension": ("127.0.0.1:8188", {"Origin": "chrome-extension://abcdef"}, LOCAL, None),
    "no origin at all": ("127.0.0.1:8188", {"Origin": ""}, LOCAL, None),
    "a port that is none": ("127.0.0.1:8188", {"Origin": "http://127.0.0.1:port"}, LOCAL, None),
    "half a bracket": ("[::1:8188", {}, LOCAL, None),
    "a person in the Host": ("127.0.0.1:8188@evil.example", {}, LOCAL, None),
    "an image or form of another site": ("127.0.0.1:8188", {"Sec-Fetch-Site": "cross-site"}, LOCAL, None),
    "another port, says the browser": ("localhost:8188", {"Sec-Fetch-Site": "same-site"}, LOCAL, None),
    "a lie of one origin to loopback": (
        "127.0.0.1:8188",
        {"Origin": EVIL, "Sec-Fetch-Site": "same-origin"},
        LOCAL,
        None,
    ),
    "every page may read, none may order": ("127.0.0.1:8188", {"Origin": EVIL}, LOCAL, "*"),
    "another page than ComfyUI was told of": ("127.0.0.1:8188", {"Origin": EVIL}, LOCAL, PROXY),
}


def order(
    case: tuple[str | None, dict[str, str], str, str | None], *names: str, method: str = "POST"
) -> str | None:
    host, more, arrived, cors = case
    headers = more if host is None else {"Host": host, **more}
    said: str | None = origin.refusal(method, headers, arrived, lambda: origin.host_names(names), cors)
    return said


@pytest.mark.parametrize("case", ANSWERED)
def test_an_order_of_our_own_is_taken(case: str) -> None:
    assert order(ANSWERED[case]) is None


@pytest.mark.parametrize("case", REFUSED)
def test_an_order_of_anybody_else_is_refused_in_a_sentence(case: str) -> None:
    said = order(REFUSED[case])
    assert said is not None and said.endswith(".") and said.isascii()
    for lang in ("ru", "zh"):
        told = in_language(said, lang)
        assert not re.search(r"request|answered|asked|page|host,|belongs|site \(|to no", told), told


def test_a_name_in_config_yaml_is_ours() -> None:
    rebound, proxied = REFUSED["rebound to this machine"], ("127.0.0.1:8188", {"Origin": PROXY}, LOCAL, None)
    assert order(rebound, "Evil.example") is None
    assert order(proxied) is not None and order(proxied, "comfy.example.com:443") is None
    assert order(rebound, "comfy.example.com") is not None


@pytest.mark.parametrize("name", [".trycloudflare.com", "*.trycloudflare.com", "*"])
def test_a_tunnel_with_another_name_each_day_is_one_line_too(name: str) -> None:
    tunnel = ("some-words.trycloudflare.com", {"Origin": "https://some-words.trycloudflare.com"}, LOCAL, None)
    assert order(tunnel) is not None and order(tunnel, name) is None
    other = ("trycloudflare.com.evil.example", {}, LOCAL, None)
    assert (order(other, name) is None) == (name == "*")


def test_with_names_in_config_yaml_a_server_for_many_knows_its_own_too() -> None:
    case = ("evil.example", {"Origin": EVIL}, LAN, None)
    assert order(case) is None and order(case, "comfy.example.com") is not None


def test_to_look_takes_less_than_to_order_and_no_less_than_the_host() -> None:
    assert order(REFUSED["every page may read, none may order"], method="GET") is None
    assert order(REFUSED["an image or form of another site"], method="GET") is None
    assert order(REFUSED["a foreign page"], method="GET") is not None
    assert order(REFUSED["rebound to this machine"], method="GET") is not None


class Twice(dict[str, str]):
    def getall(self, name: str, default: list[str]) -> list[str]:
        return [self[name], EVIL] if name in self else default


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_two_of_them_are_none(name: str) -> None:
    assert "twice" in str(origin.refusal("POST", Twice({name: "127.0.0.1"}), LOCAL, tuple, None))


@settings(deadline=None)
@given(host=st.text(), source=st.text(), site=st.text(), method=st.sampled_from(["GET", "POST"]))
def test_whatever_is_sent_is_a_sentence_or_an_answer(host: str, source: str, site: str, method: str) -> None:
    headers = {"Host": host, "Origin": source, "Sec-Fetch-Site": site}
    said = origin.refusal(method, headers, LOCAL, tuple, None)
    assert said is None or (said.isascii() and said.isprintable() and len(said) < 500)
