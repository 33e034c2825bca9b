"""Certificates for tests, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A certificate that is its own authority."""

    cert: Path
    key: Path

    @property
    def settings(self) -> dict[str, str]:
        """As settings of the server."""
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}


def make_certificate(folder: Path, name: str = "localhost") -> Certificate:
    """Make a certificate for localhost and 127.0.0.1; skips by name where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: apt-get install openssl")
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "30"]
    files = ["-keyout", str(made.key), "-out", str(made.cert)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    made.key.chmod(0o600)
    return made
