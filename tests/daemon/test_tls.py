"""TLS of the daemon and its clients."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from amanuensis.daemon.tls import ServerTls, TlsError, client_context
from tests.helpers.certificates import make_certificate


def test_a_certificate_is_read_and_read_again(tmp_path: Path) -> None:
    """TLS is at least 1.2, and a renewed certificate takes the old one's place; a broken one does not."""
    made = make_certificate(tmp_path)
    tls = ServerTls.load(made.cert, made.key)
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2
    tls.reload()
    made.cert.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    with pytest.raises(TlsError):
        tls.reload()


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """Missing files, no PEM, keys of others, keys that others can read, and keys with a password get one line each."""
    made, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    with pytest.raises(TlsError, match=r"nosuch\.pem cannot be read: No such file"):
        ServerTls.load(tmp_path / "nosuch.pem", made.key)
    with pytest.raises(TlsError, match="do not belong together"):
        ServerTls.load(made.cert, other.key)
    with pytest.raises(TlsError, match=r"give a PEM certificate and its PEM key"):
        ServerTls.load(made.key, made.key)
    binary = tmp_path / "cert.der"
    binary.write_bytes(b"\x30\x82")
    with pytest.raises(TlsError, match="is not a PEM file"):
        ServerTls.load(binary, made.key)
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", str(made.key), "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    locked.chmod(0o600)
    with pytest.raises(TlsError, match="is encrypted: a daemon needs one without a password"):
        ServerTls.load(made.cert, locked)
    made.key.chmod(0o644)
    with pytest.raises(TlsError, match="chmod 600"):
        ServerTls.load(made.cert, made.key)


def test_a_client_names_a_file_it_cannot_use(tmp_path: Path) -> None:
    """`--ca` with something that is no certificate is told as that."""
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(TlsError, match="it holds no PEM certificate"):
        client_context(str(tmp_path / "ca.pem"))
    with pytest.raises(TlsError, match="No such file"):
        client_context(str(tmp_path / "nosuch.pem"))
    assert client_context(None).verify_mode == ssl.CERT_REQUIRED
