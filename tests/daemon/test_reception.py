"""Who is let in for what, over real sockets: roles at every path, tokens, cookies, TLS, unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.attempts import FREE_ATTEMPTS, Attempts
from amanuensis.daemon.client import ClientError, Hello, connect
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.dial import fetch
from amanuensis.daemon.listeners import ServeError
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.token_file import TokenFileError, read_tokens, write_tokens
from amanuensis.daemon.tokens import Role, TokenTable, new_token
from amanuensis.stream.formats import AudioFormat
from tests.helpers.certificates import make_certificate
from tests.helpers.daemon_client import connected, cut, exchange, get, hello, pcm, speak
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

WORDS = [0, 1, 2, 3]
SOUND = pcm(say(WORDS))
SPEAK = Hello("speak", AudioFormat("s16le", 16_000, 1))
PAGES = ("/", "/healthz", "/readyz", "/metrics", "/v1/sessions/latest.txt", "/v1/login")


@dataclass
class Secrets:
    """A file of tokens, and the secrets of each."""

    file: Path
    by_name: dict[str, str]

    def bearer(self, name: str) -> dict[str, str]:
        """Headers that show a token."""
        return {"Authorization": f"Bearer {self.by_name[name]}"}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    """One token for each role, and one that watches until tomorrow."""
    now = datetime.now(UTC)
    roles: dict[str, list[Role]] = {"watcher": ["watch"], "speaker": ["speak"], "both": ["watch", "speak"]}
    made = {name: new_token(name, of, now) for name, of in roles.items()}
    made["root"] = new_token("root", ["admin"], now)
    made["obs"] = new_token("obs", ["watch"], now, now + timedelta(days=1))
    file = tmp_path / "tokens.json"
    write_tokens(file, TokenTable(tuple(token for token, _ in made.values())))
    return Secrets(file, {name: secret for name, (_, secret) in made.items()})


@contextlib.asynccontextmanager
async def serving(
    listen: Any = "0.0.0.0:0", limits: LimitSettings | None = None, **server: Any
) -> AsyncIterator[tuple[Daemon, Address]]:
    """A daemon with these settings of the server; the address is on loopback, whatever it listens on."""
    config = Config(ServerSettings(listen, **server), limits=limits or LimitSettings())
    daemon = Daemon(config, ToneEngine(), cast(Any, ToneTokenizer()))
    async with daemon.listening() as address:
        yield daemon, Address("127.0.0.1", address.port)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        (None, {"/", "/healthz", "/readyz"}),
        ("speaker", {"/", "/healthz", "/readyz"}),
        ("watcher", {*PAGES} - {"/metrics"}),
        ("both", {*PAGES} - {"/metrics"}),
        ("root", {*PAGES}),
    ],
)
async def test_roles_at_every_page(secrets: Secrets, name: str | None, allowed: set[str]) -> None:
    """Each page is for those whose token may have it; others get 401 without a token, and 403 with one."""
    headers = secrets.bearer(name) if name else {}
    async with serving(tokens_file=str(secrets.file)) as (_, address):
        await speak(address, [SOUND], auth=secrets.by_name["speaker"])
        async with connected(address, hello(auth=secrets.by_name["speaker"])) as speaker:
            await speaker.until(type="ready")
            statuses = {path: (await get(address, path, **headers))[0] for path in PAGES}
    refused = 403 if name else 401
    assert statuses == {path: 200 if path in allowed else refused for path in PAGES}


@pytest.mark.parametrize("name", ["watcher", "speaker", "both", "root", None])
@pytest.mark.parametrize("in_header", [True, False])
async def test_roles_in_the_protocol(secrets: Secrets, name: str | None, in_header: bool) -> None:
    """Speaking and watching need their role, whether the token is in the request or in the hello."""
    may = {"watcher": {"watch"}, "speaker": {"speak"}, "both": {"watch", "speak"}, "root": {"watch", "speak"}}
    headers = secrets.bearer(name) if name and in_header else {}
    auth = {"auth": secrets.by_name[name]} if name and not in_header else {}
    async with (
        serving(tokens_file=str(secrets.file)) as (_, address),
        connected(address, hello(auth=secrets.by_name["root"])) as speaker,
    ):
        await speaker.until(type="ready")
        for role, path in (("speak", "/v1/session"), ("watch", "/v1/watch/latest")):
            first = hello(role, **auth)
            async with connected(address, first, path, additional_headers=headers) as client:
                if role in may.get(name or "", set()):
                    await client.until(type="ready")
                else:
                    assert (await client.over())[0] == 4401
                    assert client.events[0]["code"] == "unauthorized"


async def test_a_token_in_the_address_watches_only(secrets: Secrets) -> None:
    """OBS may have a watching token that expires in its address; any other token there is refused."""
    async with serving(tokens_file=str(secrets.file)) as (_, address):
        async with connected(address, hello(auth=secrets.by_name["speaker"])) as speaker:
            await speaker.until(type="ready")
            path = f"/v1/watch/latest?token={secrets.by_name['obs']}"
            async with connected(address, hello("watch"), path) as watcher:
                await watcher.until(type="ready")
            for name in ("watcher", "root"):
                with pytest.raises(InvalidStatus, match="401"):
                    async with connected(address, path=f"/v1/watch/latest?token={secrets.by_name[name]}"):
                        pass
        assert (await get(address, f"/v1/sessions/latest.txt?token={secrets.by_name['root']}"))[0] == 401


async def test_a_page_logs_in_for_a_cookie(secrets: Secrets) -> None:
    """A token is changed for a cookie that scripts and other sites cannot use, and that is no admin's."""
    async with serving(tokens_file=str(secrets.file)) as (daemon, address):
        status, headers, _ = await get(address, "/v1/login", **secrets.bearer("root"))
        attributes = headers["Set-Cookie"].split("; ")
        assert status == 200
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
        cookie = {"Cookie": attributes[0]}
        assert (await get(address, "/metrics", **cookie))[0] == 403
        same = f"http://{address}"
        async with connected(address, hello(), additional_headers=cookie, origin=cast(Any, same)) as client:
            await client.until(type="ready")
            assert (await get(address, "/v1/sessions/latest.txt", **cookie))[0] == 200
        async with connected(address, hello(), additional_headers=cookie) as without_origin:
            assert (await without_origin.over())[0] == 4401
        with pytest.raises(InvalidStatus, match="403"):
            async with connected(address, additional_headers=cookie, origin=cast(Any, "https://evil.example")):
                pass
        write_tokens(secrets.file, read_tokens(secrets.file).revoked("root"))
        daemon.reload_security(daemon.config.server)
        assert (await get(address, "/v1/sessions/latest.txt", **cookie))[0] == 401


async def test_wrong_tokens_make_an_address_wait(secrets: Secrets) -> None:
    """After a few wrong tokens, wherever they are shown, not even the right one is looked at for a while."""
    async with serving(tokens_file=str(secrets.file)) as (daemon, address):
        daemon.reception.attempts = Attempts(lambda: 0.0)
        for k in range(FREE_ATTEMPTS):
            if k % 2:
                async with connected(address, hello(auth=f"wrong {k}")) as client:
                    assert (await client.over())[0] == 4401
            else:
                assert (await get(address, "/metrics", Authorization=f"Bearer wrong {k}"))[0] == 401
        status, headers, _ = await get(address, "/metrics", **secrets.bearer("root"))
        assert status == 429
        assert int(headers["Retry-After"]) >= 1
        async with connected(address, hello(auth=secrets.by_name["root"])) as client:
            assert (await client.over())[0] == 4401
        assert "too many wrong tokens; try again in" in client.events[0]["message"]
        assert daemon.reception.attempts.wait_s("127.0.0.1") > 0
        assert (await get(address, "/healthz"))[0] == 200


async def test_a_session_may_be_read_by_who_spoke_in_it(secrets: Secrets) -> None:
    """Who may speak but not watch reads its own session, by the token that resumes it, and no other."""
    async with serving(tokens_file=str(secrets.file)) as (_, address):
        mine, other = [await speak(address, [SOUND], auth=secrets.by_name["speaker"]) for _ in range(2)]
        name, token = mine.events[0]["session"], mine.events[0]["resume_token"]
        own = {"Authorization": f"Bearer {token}"}
        assert (await get(address, f"/v1/sessions/{name}.txt", **own))[2].strip() == spell(WORDS)
        assert (await get(address, f"/v1/sessions/{other.events[0]['session']}.txt", **own))[0] == 401
        assert (await get(address, "/metrics", **own))[0] == 401


async def test_revoked_tokens_are_closed(secrets: Secrets) -> None:
    """When a token is revoked and the daemon told, whoever came in by it is closed; the others go on."""
    async with serving(tokens_file=str(secrets.file)) as (daemon, address):
        async with (
            connected(address, hello(auth=secrets.by_name["speaker"])) as gone,
            connected(address, hello(auth=secrets.by_name["both"])) as stays,
        ):
            for client in (gone, stays):
                await client.until(type="ready")
            write_tokens(secrets.file, read_tokens(secrets.file).revoked("speaker"))
            daemon.reload_security(daemon.config.server)
            assert await gone.over() == (4401, "the token was revoked or has expired")
            await stays.settled()
        secrets.file.chmod(0o644)
        with pytest.raises(TokenFileError, match="others could read or change it"):
            daemon.reload_security(daemon.config.server)
        secrets.file.chmod(0o600)
        write_tokens(secrets.file, TokenTable())
        with pytest.raises(ServeError, match="no token is set"):
            daemon.reload_security(daemon.config.server)
        async with connected(address, hello(auth=secrets.by_name["both"])) as client:
            await client.until(type="ready")


async def test_the_last_token_is_not_lost_unnoticed(secrets: Secrets, caplog: pytest.LogCaptureFixture) -> None:
    """Where only this machine can come in, it may do all without a token again, and the log says so."""
    async with serving(("127.0.0.1:0",), tokens_file=str(secrets.file)) as (daemon, _):
        for _ in range(2):
            write_tokens(secrets.file, TokenTable())
            daemon.reload_security(daemon.config.server)
    assert [record.message for record in caplog.records if "no token is left" in record.message] == [
        "security: no token is left: whoever uses this machine may do everything over loopback now"
    ]


async def test_other_machines_need_a_token(tmp_path: Path) -> None:
    """An address that others can reach is not served without one, and neither is an empty file of tokens enough."""
    with pytest.raises(ServeError, match=r"'0\.0\.0\.0:\d+' can be reached from other machines, and no token"):
        async with serving():
            pass
    with pytest.raises(TokenFileError, match="does not exist"):
        async with serving(tokens_file=str(tmp_path / "nosuch.json")):
            pass


async def test_a_unix_socket_needs_no_token(tmp_path: Path, secrets: Secrets) -> None:
    """Where TCP asks for a token, the daemon's own user comes in by the socket, and may do everything."""
    path = tmp_path / "run" / "a.sock"
    listen = ("127.0.0.1:0", f"unix:{path}")
    async with serving(listen, tokens_file=str(secrets.file)) as (daemon, _):
        assert daemon.urls[1] == f"unix:{path}"
        async with connect(f"unix:{path}", SPEAK) as speaker:
            async with connect(f"unix:{path}:/v1/watch/latest") as watcher:
                assert watcher.session == speaker.session
            await speaker.send_audio(SOUND)
            await speaker.end()
            events = [event async for event in speaker]
        status, body = await asyncio.to_thread(fetch, f"unix:{path}", "/metrics")
        assert (status, b"amanuensis_words_total 4.0" in body) == (200, True)
        with pytest.raises(ClientError, match="token"):
            async with connect(daemon.urls[0], SPEAK):
                pass
    assert events[-1]["type"] == "bye"
    assert not path.exists()


async def test_a_stranger_on_the_socket_is_told_by_its_user() -> None:
    """Another user whom the socket's rights let in may speak and watch, but is no admin."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with serving(f"unix:{folder / 'a.sock'}"):
            (folder / "a.sock").chmod(0o666)
            script = (
                "import os, socket, sys\nos.setgroups([])\nos.setgid(12345)\nos.setuid(12345)\n"
                "s = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                "s.sendall(b'GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
                "print(s.recv(100).decode().split('\\r')[0])"
            )
            process = await asyncio.create_subprocess_exec(
                "python3", "-c", script, str(folder / "a.sock"), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
    assert out == b"HTTP/1.1 403 Forbidden\n"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_tls_end_to_end(tmp_path: Path, secrets: Secrets) -> None:
    """With a certificate TCP speaks TLS only: a client that trusts it comes in, one that does not is told why."""
    made, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    async with serving(tokens_file=str(secrets.file), **made.settings) as (daemon, address):
        assert daemon.urls[0].startswith("wss://")
        url, token = f"wss://localhost:{address.port}/v1/session", secrets.by_name["both"]
        async with connect(url, SPEAK, token=token, ca=str(made.cert)) as client:
            await client.end()
            assert [event async for event in client][-1]["type"] == "bye"
        with pytest.raises(ClientError, match=r"self.signed certificate; name what signed .* --ca FILE"):
            async with connect(url, SPEAK, token=token):
                pass
        with pytest.raises(ClientError):
            async with connect(url.replace("wss", "ws"), SPEAK, token=token):
                pass
        old = ssl.create_default_context(cafile=made.cert)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await websocket_connect(url, ssl=old)
        status, body = await asyncio.to_thread(
            fetch, f"wss://localhost:{address.port}", "/readyz", token, str(made.cert)
        )
        assert (status, json.loads(body)["ready"]) == (200, True)
        made.cert.write_bytes(other.cert.read_bytes())
        made.key.write_bytes(other.key.read_bytes())
        daemon.reload_security(daemon.config.server)
        async with connect(url, SPEAK, token=token, ca=str(other.cert)) as renewed:
            assert renewed.session


async def test_strangers_leave_room(tmp_path: Path, secrets: Secrets) -> None:
    """Connections that show no token take only their own places, even those that do not finish the TLS handshake."""
    made = make_certificate(tmp_path)
    limits = LimitSettings(connections=8, strangers=2)
    async with serving(limits=limits, tokens_file=str(secrets.file), **made.settings) as (daemon, address):
        url, token = f"wss://localhost:{address.port}/v1/session", secrets.by_name["both"]
        async with connect(url, SPEAK, token=token, ca=str(made.cert)) as known:
            idle = [await asyncio.open_connection(address.host, address.port) for _ in range(2)]
            assert await exchange(address, b"") == b""
            assert daemon.metrics.registry.get_sample_value("amanuensis_refused_total", {"code": "strangers"}) == 1
            await known.end()
            assert [event async for event in known][-1]["type"] == "bye"
            for _, writer in idle:
                writer.close()


async def test_nothing_secret_and_nothing_said_is_logged(
    secrets: Secrets, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A whole session with a token, words, a prompt and mistakes leaves none of them in the log at level info."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "a.sock"
    listen = ("0.0.0.0:0", f"unix:{path}")
    async with serving(listen, tokens_file=str(secrets.file)) as (daemon, address):
        client = await speak(
            address,
            cut(SOUND, [3200]),
            auth=secrets.by_name["both"],
            prompt="alfa secretprompt",
            hotwords=["hotsecret"],
        )
        resume = client.events[0]["resume_token"]
        await get(address, f"/v1/sessions/latest.txt?token={secrets.by_name['obs']}")
        await get(address, "/v1/login", **secrets.bearer("root"))
        await get(address, "/metrics", Authorization="Bearer wrongsecret")
        async with connected(address, hello(auth="wrongsecret")) as refused:
            await refused.over()
        async with connected(address, hello(auth=secrets.by_name["both"])) as broken:
            await broken.until(type="ready")
            await broken.socket.send('{"type":"config","prompt":"secretprompt","nonsense":1}')
            with contextlib.suppress(ConnectionClosed):
                await broken.settled()
        write_tokens(secrets.file, read_tokens(secrets.file).revoked("obs"))
        daemon.reload_security(daemon.config.server)
    text = caplog.text
    assert {"connection accepted: both, who may speak", "request refused: 401", "connection refused: unauthorized"} <= {
        record.message for record in caplog.records
    }
    assert client.text == spell(WORDS)
    assert client.events[0]["session"] in text
    unspeakable = [*secrets.by_name.values(), resume, "wrongsecret", "secretprompt", "hotsecret", *spell(WORDS).split()]
    assert [word for word in unspeakable if word in text] == []
