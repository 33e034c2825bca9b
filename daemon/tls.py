"""TLS of the listening addresses and of the client: 1.2 or newer, certificates that can be replaced while it runs."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READABLE_BY_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP


class TlsError(Exception):
    """A certificate or key cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """The certificate of a daemon.

    Attributes:
        cert: chain, PEM.
        key: private key, PEM.
        context: that connections are made with.

    """

    cert: Path
    key: Path
    context: ssl.SSLContext

    @classmethod
    def load(cls, cert: Path, key: Path) -> ServerTls:
        """Read the files.

        Raises:
            TlsError: one cannot be used.

        """
        return cls(cert, key, _context(cert, key))

    def reload(self) -> None:
        """Read the files again; connections that are made from now on get the new certificate.

        Raises:
            TlsError: one cannot be used; the old certificate stays.

        """
        _context(self.cert, self.key)  # `load_cert_chain` leaves a context half changed when it fails
        self.context.load_cert_chain(self.cert, self.key, _no_password)


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    for file in (cert, key):
        _check_pem(file)
    if key.stat().st_mode & READABLE_BY_OTHERS:
        raise TlsError(f"tls_key {key} can be read by others or written by its group: chmod 600 {key}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, _no_password)
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        why = "they do not belong together" if mismatch else (error.reason or str(error)).lower().replace("_", " ")
        raise TlsError(f"tls_cert {cert} and tls_key {key}: {why}; give a PEM certificate and its PEM key") from None
    return context


def _check_pem(file: Path) -> None:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise TlsError(f"{file} cannot be read: {error.strerror}; check server.tls_cert and server.tls_key") from None
    if b"-----BEGIN " not in text:
        raise TlsError(f"{file} is not a PEM file: it has no -----BEGIN line; convert it with openssl")


def _no_password() -> str:
    """Asked for when a key is encrypted: there is nobody at a daemon's terminal to type one."""
    raise TlsError("tls_key is encrypted: a daemon needs one without a password (openssl pkey -in KEY -out NEW)")


def client_context(ca: str | os.PathLike[str] | None) -> ssl.SSLContext:
    """Return what a client verifies a daemon with: the certificates of this machine, or those of a file.

    Raises:
        TlsError: the file cannot be used.

    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        why = "it holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
        raise TlsError(
            f"--ca {os.fspath(ca or '')}: {why}; give the PEM certificate that signed the daemon's"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
