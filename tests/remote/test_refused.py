"""A workflow from the internet can neither send pictures to a stranger nor reveal a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.comfy.server import default_comfy_dir

ROOT = Path(__file__).resolve().parents[2]

REFUSED = [
    "http://example.com/v1",
    "https://user:secret@example.com",
    "//example.com",
    "example.com:8000",
    "203.0.113.7",
    "169.254.169.254",
    "http://169.254.169.254/latest/meta-data/",
    "[fe80::1]:8000",
    "metadata.google.internal",
    "0.0.0.0:8000",
    "0x7f000001:8000",
    "2130706433:80",
    "127.0.0.1:8000@example.com",
    "127.0.0.1.example.com:80",
    "localhost.example.com",
    "localhost:8000/../../x",
    "localhost:99999",
    "localhost:8000\n.example.com",
    "http://localhost:8000",
    "file:///etc/passwd",
    "ftp://localhost",
    "data:text/plain,x",
    "studoi",
    "",
]

# Python tells its audit hooks before any socket connects, sends or looks up a name.
WATCHED = """
import sys

packets = []

def hook(event, given):
    if event.startswith("socket.") and event in LOOKED_AT:
        packets.append((event, str(given[-1])))

LOOKED_AT = {
    "socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
}
sys.addaudithook(hook)
"""
NODE = """
import json
from pathlib import Path
from devtools.comfy.node_schemas import _import_nodes

_import_nodes(Path(COMFY))
from vramwise_pack.nodes.remote_ocr_model import RemoteOCRModel as Node

packets.clear()
for name in json.loads(NAMES):
    said = Node.validate_inputs(endpoint=name, family="auto")
    assert said is not True, name
    said_again = ""
    try:
        Node.execute(endpoint=name, model="m", family="qwen3_vl")
    except Exception as error:
        assert type(error).__name__ in ("VramwiseError", "UnknownName"), repr(error)
        said_again = str(error)
    assert said == said_again, (said, said_again)
    assert Node.fingerprint_inputs(endpoint=name) == said
    assert not packets, (name, packets)
assert Node.validate_inputs(endpoint="studio", family="qwen3_vl") is True
assert Node.validate_inputs(endpoint="studio", family="qwen9") is not True
assert Node.validate_inputs(endpoint="localhost:9") is True
assert not packets, "a name is checked without asking anybody"
Node.execute(endpoint="localhost:9", model="m", family="qwen3_vl")
assert packets, "the watch sees what a permitted endpoint does"
print("refused")
"""


def test_a_workflow_with_an_address_or_an_unknown_name_is_refused_before_any_packet(
    tmp_path: Path, require: Callable[[object, str], None]
) -> None:
    comfy = default_comfy_dir()
    require((comfy / "main.py").is_file(), f"There is no ComfyUI in {comfy}: run `python dev.py demo` once.")
    config = tmp_path / "config.yaml"
    config.write_text("endpoints:\n  studio:\n    urls: http://127.0.0.1:9\n", encoding="utf-8")
    script = f"COMFY, NAMES = {str(comfy)!r}, {json.dumps(REFUSED)!r}\n{WATCHED}\n{NODE}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "VRAMWISE_CONFIG": str(config), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("refused\n")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"urls": ["file:///etc/passwd"]}, "must start with http"),
        ({"urls": ["ftp://gpu1"]}, "must start with http"),
        ({"urls": ["gpu1:8000"]}, "must start with http"),
        ({"urls": ["https://me:secret-word@gpu1"]}, "key_env"),
        ({"urls": ["https://gpu1/v1?api_key=secret-word"]}, "key_env"),
        ({"urls": ["http://[::1"]}, "cannot be read"),
        ({"urls": []}, "urls must be an address"),
        ({"url": ["http://gpu1"]}, 'Did you mean "urls"'),
        ({"urls": "http://gpu1", "concurrency": 0}, "concurrency must be from 1"),
        ({"urls": "http://gpu1", "pictures": "gif"}, "png or jpeg"),
        ({"urls": "http://gpu1", "key": "secret-word"}, "unknown key"),
        ({"urls": "http://gpu1", "family": "qwen9"}, "no model family"),
    ],
)
def test_a_wrong_entry_of_config_yaml_is_a_sentence_without_what_may_be_a_key(
    entry: dict[str, object], says: str, endpoints: Callable[..., None]
) -> None:
    from vramwise.errors import VramwiseError
    from vramwise.ocr.remote import open_remote

    endpoints(studio=entry)
    with pytest.raises(VramwiseError, match=says) as caught:
        open_remote("studio")
    assert "secret-word" not in str(caught.value)


def test_addresses_get_the_path_that_all_servers_have_unless_they_name_one(
    endpoints: Callable[..., None],
) -> None:
    from vramwise.ocr.remote import resolve
    from vramwise.settings import load_settings

    endpoints(studio={"urls": ["http://gpu1:8000", "https://gpu2/", "https://hub/team/openai"]})
    assert resolve("studio", load_settings()).urls == (
        "http://gpu1:8000/v1",
        "https://gpu2/v1",
        "https://hub/team/openai",
    )
    assert resolve("localhost", load_settings()).urls == ("http://localhost:8000/v1",)
    assert resolve("[::1]:11434", load_settings()).urls == ("http://[::1]:11434/v1",)
