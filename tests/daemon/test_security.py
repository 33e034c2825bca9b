"""What protects a daemon, read from its settings and files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from amanuensis.daemon.addresses import Address, UnixAddress
from amanuensis.daemon.config import ServerSettings
from amanuensis.daemon.listeners import ServeError
from amanuensis.daemon.security import OF_SETTING, Security, load_tokens
from amanuensis.daemon.tls import TlsError
from amanuensis.daemon.token_file import TokenFileError, write_tokens
from amanuensis.daemon.tokens import ALL_ROLES, TokenTable, new_token
from tests.helpers.certificates import make_certificate

NOW = datetime.now(UTC)
SECRET = "0123456789abcdef"


def test_tokens_come_from_the_file_and_from_the_settings(tmp_path: Path) -> None:
    """Both count; the one of the settings may do all; the usual file may miss, a named one may not."""
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert not load_tokens(ServerSettings(), env)
    (tmp_path / "amanuensis").mkdir()
    token, secret = new_token("obs", ["watch"], NOW)
    write_tokens(tmp_path / "amanuensis" / "tokens.json", TokenTable((token,)))
    table = load_tokens(ServerSettings(token=SECRET), env)
    assert table.find(secret, NOW) == token
    of_setting = table.find(SECRET, NOW)
    assert of_setting is not None
    assert (of_setting.name, of_setting.roles) == (OF_SETTING, ALL_ROLES)
    with pytest.raises(TokenFileError, match="does not exist"):
        load_tokens(ServerSettings(tokens_file=str(tmp_path / "nosuch.json")), env)


def test_addresses_that_others_can_reach_need_a_token(tmp_path: Path) -> None:
    """Loopback and unix sockets do not."""
    none = Security.load(ServerSettings(), {"HOME": str(tmp_path)})
    none.check([Address("127.0.0.1", 1), Address("::1", 1), UnixAddress()])
    with pytest.raises(ServeError, match=r"'192\.0\.2\.1:1' can be reached from other machines, and no token is set"):
        none.check([Address("127.0.0.1", 1), Address("192.0.2.1", 1)])
    Security.load(ServerSettings(token=SECRET), {"HOME": str(tmp_path)}).check([Address("192.0.2.1", 1)])


def test_a_reload_keeps_what_is_still_good(tmp_path: Path) -> None:
    """Tokens, origins and certificate are read again; cookies stay; what cannot be read changes nothing."""
    made, file = make_certificate(tmp_path), tmp_path / "tokens.json"
    token, _ = new_token("page", ["watch"], NOW)
    write_tokens(file, TokenTable((token,)))
    settings = ServerSettings(tokens_file=str(file), **made.settings)
    before = Security.load(settings, {})
    cookie, _ = before.access.logins.open(token, NOW)
    write_tokens(file, TokenTable((token, new_token("new", ["speak"], NOW)[0])))
    after = before.reloaded(ServerSettings(tokens_file=str(file), origins=("https://a",), **made.settings), {})
    assert [known.name for known in after.access.tokens.tokens] == ["page", "new"]
    assert after.access.origins == ("https://a",)
    assert after.access.logins.find(cookie, NOW) == token
    assert before.tls is not None
    assert after.tls is before.tls
    made.key.write_text("nothing")
    with pytest.raises(TlsError):
        before.reloaded(settings, {})
    assert [known.name for known in before.access.tokens.tokens] == ["page"]
