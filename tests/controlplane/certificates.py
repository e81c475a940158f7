"""An authority and one serving certificate for loopback, made by openssl in some 50 ms."""

import subprocess
from pathlib import Path

DAYS = "7"
NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificates(folder: Path) -> None:
    """Write ca.crt, server.crt and server.key, and service-accounts.key to sign tokens with."""
    authority = ("-CA", "ca.crt", "-CAkey", "ca.key")
    _openssl(folder, "req", "-x509", *KEY, "-days", DAYS, "-subj", "/CN=tests' authority",
        "-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca.key", "-out", "ca.crt",
    )  # fmt: skip
    _openssl(folder, "req", "-x509", *authority, *KEY, "-days", DAYS, "-subj", "/CN=127.0.0.1",
        "-addext", NAMES, "-addext", "basicConstraints=critical,CA:FALSE",
        "-addext", "keyUsage=critical,digitalSignature",
        "-keyout", "server.key", "-out", "server.crt",
    )  # fmt: skip
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout",
        "-out", "service-accounts.key",
    )  # fmt: skip


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
