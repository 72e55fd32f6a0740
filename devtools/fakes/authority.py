"""An authority of an office: signs certificates for names on this machine, by openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

NAMES = ("localhost", "hub.vramwise.test", "cdn.vramwise.test", "endpoint.vramwise.test")


class Authority:
    """``certificate`` is the file (PEM) that makes its servers trusted; ``server_tls`` is for those.

    ``days`` is how long the servers' certificate is valid from now on; 0 makes one that has ended.
    """

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES, days: int = 2) -> None:
        self.certificate = folder / "authority.pem"
        self.key = folder / "authority.key"
        request, signed, key = folder / "server.csr", folder / "server.pem", folder / "server.key"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        _openssl(
            *("req", "-x509", *curve, "-days", "2", "-subj", "/CN=Office authority"),
            *("-keyout", self.key, "-out", self.certificate),
        )
        _openssl("req", *curve, "-subj", f"/CN={names[0]}", "-keyout", key, "-out", request)
        extensions = folder / "extensions"
        alternatives = ",".join((*(f"DNS:{name}" for name in names), "IP:127.0.0.1"))
        extensions.write_text(f"subjectAltName={alternatives}\n", encoding="ascii")
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", extensions, "-out", signed),
        )
        self.server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_tls.load_cert_chain(signed, key)


def available() -> bool:
    return shutil.which("openssl") is not None


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
