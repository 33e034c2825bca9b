"""What protects a daemon, read from its settings and files: tokens, origins, TLS."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from amanuensis.daemon.access import Access
from amanuensis.daemon.addresses import ListenAddress
from amanuensis.daemon.config import ServerSettings
from amanuensis.daemon.listeners import ServeError
from amanuensis.daemon.tls import ServerTls
from amanuensis.daemon.token_file import read_tokens, usual_file
from amanuensis.daemon.tokens import ALL_ROLES, Token, TokenTable, digest

OF_SETTING: Final = "server.token"


@dataclass(frozen=True, slots=True)
class Security:
    """Who may come in, and how connections are protected; TLS is None where there is no certificate."""

    access: Access
    tls: ServerTls | None

    @classmethod
    def load(cls, settings: ServerSettings, env: Mapping[str, str]) -> Security:
        """Read what the settings name.

        Raises:
            amanuensis.daemon.token_file.TokenFileError: the file of tokens cannot be used.
            amanuensis.daemon.tls.TlsError: the certificate or its key cannot be used.

        """
        access = Access(load_tokens(settings, env), settings.origins, os.geteuid())
        if settings.tls_cert is None or settings.tls_key is None:
            return cls(access, None)
        cert, key = Path(settings.tls_cert).expanduser(), Path(settings.tls_key).expanduser()
        return cls(access, ServerTls.load(cert, key))

    def reloaded(self, settings: ServerSettings, env: Mapping[str, str]) -> Security:
        """Read the files again; connections and the cookies of pages stay, as far as their tokens do.

        A certificate is replaced in place. TLS is neither begun nor ended: addresses keep what they speak.

        Raises:
            amanuensis.daemon.token_file.TokenFileError: the file of tokens cannot be used; all stays as it was.
            amanuensis.daemon.tls.TlsError: the certificate or its key cannot be used; all stays as it was.

        """
        tokens = replace(load_tokens(settings, env), others=self.access.tokens.others)
        access = replace(self.access, tokens=tokens, origins=settings.origins)
        if self.tls is not None:
            self.tls.reload()
        return replace(self, access=access)

    def sharing(self, others: tuple[Token, ...]) -> Security:
        """Return what holds once the tokens of other daemons are good here too."""
        return replace(self, access=replace(self.access, tokens=replace(self.access.tokens, others=others)))

    def check(self, addresses: Iterable[ListenAddress]) -> None:
        """Raise ServeError where other machines could come in without a token."""
        for address in addresses:
            if not address.is_loopback and not self.access.tokens:
                raise ServeError(
                    f"listen {str(address)!r} can be reached from other machines, and no token is set: "
                    "make one (amanuensis tokens add NAME --role speak), set server.token, or listen on 127.0.0.1"
                )


def load_tokens(settings: ServerSettings, env: Mapping[str, str]) -> TokenTable:
    """Return all tokens: those of the file, and the one of the settings.

    Raises:
        amanuensis.daemon.token_file.TokenFileError: the file cannot be used; only the usual one may miss.

    """
    table = read_tokens(token_file(settings, env), may_miss=settings.tokens_file is None)
    if settings.token is None:
        return table
    return table.added(Token(OF_SETTING, digest(settings.token), ALL_ROLES, datetime.now(UTC)))


def token_file(settings: ServerSettings, env: Mapping[str, str]) -> Path:
    """Return the file of tokens that a daemon reads."""
    return usual_file(env) if settings.tokens_file is None else Path(settings.tokens_file).expanduser()
