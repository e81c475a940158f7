"""With which credential an API server is asked, and when that is read anew."""

import asyncio
import base64
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.errors import AuthError
from discovery.clients.kube.connect import connect
from discovery.clients.kube.credential import ReloadedCredential
from discovery.clients.kube.resources import SERVICES
from tests.clients.conftest import Clock, ScriptedServer
from tests.clients.kube.conftest import PORTLESS, TOKEN, asked_with, failure, write_kubeconfig

# Of a pod.


async def test_a_token_that_was_replaced_is_read_when_the_old_one_is_refused(pod: Path) -> None:
    (pod / "token").write_text("token-of-nobody-any-more")
    async with connect(service_account=pod) as client:
        (pod / "token").write_text("token-of-admin")
        await client.list(SERVICES, "default")


async def test_a_write_goes_through_although_the_token_had_expired(
    pod: Path, namespace: str
) -> None:
    (pod / "token").write_text("a-token-that-expired")
    async with connect(service_account=pod) as client:
        (pod / "token").write_text("token-of-admin")
        body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
        created = await client.create(SERVICES, namespace, body)

    assert created["metadata"]["name"] == "web"


async def test_a_token_that_stays_refused_is_an_error(pod: Path) -> None:
    (pod / "token").write_text("a-token-that-expired")
    async with connect(service_account=pod) as client:
        with pytest.raises(AuthError, match="Unauthorized") as caught:
            await client.list(SERVICES, "default")

    assert caught.value.status == 401


async def test_a_token_that_is_refused_and_gone_is_an_error(pod: Path) -> None:
    (pod / "token").write_text("a-token-that-expired")
    async with connect(service_account=pod) as client:
        (pod / "token").unlink()
        with pytest.raises(AuthError, match="can not be read anew"):
            await client.list(SERVICES, "default")


# Of a kubeconfig.


async def test_a_token_is_sent_as_it_is(server: ScriptedServer, tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, {"token": TOKEN})

    assert await asked_with(server, kubeconfig) == f"Bearer {TOKEN}"


async def test_a_token_file_is_beside_the_kubeconfig(
    server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})

    assert await asked_with(server, kubeconfig) == f"Bearer {TOKEN}"


async def test_without_a_user_nothing_is_sent(server: ScriptedServer, tmp_path: Path) -> None:
    assert await asked_with(server, write_kubeconfig(tmp_path / "config", server.url, {})) is None


async def test_credentials_of_netrc_are_never_sent(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    assert await asked_with(server, write_kubeconfig(tmp_path / "config", server.url, {})) is None


def plugin(tmp_path: Path, *tokens: str, expires: str | None = None) -> dict[str, Any]:
    """Return a user whose credential plugin gives these tokens, one after the other."""
    left = tmp_path / "tokens"
    left.write_text("\n".join(tokens))
    status = {"expirationTimestamp": expires} if expires else {}
    program = tmp_path / "plugin"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        f"left = pathlib.Path({str(left)!r})\n"
        "token, _, rest = left.read_text().partition('\\n')\n"
        "left.write_text(rest)\n"
        "kind = {'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential'}\n"
        f"print(json.dumps(kind | {{'status': {status!r} | {{'token': token}}}}))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }


async def test_a_credential_plugin_is_asked_again_when_its_token_is_refused(
    server: ScriptedServer, tmp_path: Path
) -> None:
    user = plugin(tmp_path, "first-token", "second-token")
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, user)
    server.say({"kind": "Status", "message": "Unauthorized", "code": 401}, 401)

    assert await asked_with(server, kubeconfig) == "Bearer second-token"
    assert server.requests[0].headers["authorization"] == "Bearer first-token"


async def test_a_credential_plugin_that_gives_nothing_is_named(tmp_path: Path) -> None:
    user = plugin(tmp_path, "unused")
    user["exec"]["command"] = "/bin/false"
    path = write_kubeconfig(tmp_path / "config", PORTLESS, user)

    assert await failure(path) == (
        f"the credential plugin of the kubeconfig gave no credential ({path}, context tests). "
        "Run its command by hand, or log in again."
    )


async def test_an_oidc_token_is_sent(server: ScriptedServer, tmp_path: Path) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "x"}).encode()).decode().rstrip("=")
    token = f"e30.{claims}.sig"
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": token}}}
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, user)

    assert await asked_with(server, kubeconfig) == f"Bearer {token}"


# Read anew.


@pytest.mark.parametrize(
    ("expires", "sent"),
    [
        (None, ["first-token", "first-token"]),
        ("2020-01-01T00:00:00Z", ["first-token", "second-token"]),
        ("2120-01-01T00:00:00Z", ["first-token", "first-token"]),
    ],
)
async def test_a_credential_plugin_is_asked_again_once_its_token_has_expired(
    server: ScriptedServer, tmp_path: Path, clock: Clock, expires: str | None, sent: list[str]
) -> None:
    user = plugin(tmp_path, "first-token", "second-token", expires=expires)
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, user)

    assert await twice(server, kubeconfig, clock, 61) == [f"Bearer {token}" for token in sent]


@pytest.mark.parametrize(
    ("seconds", "sent"), [(59, ["old-token", "old-token"]), (61, ["old-token", "new-token"])]
)
async def test_a_token_file_is_read_once_a_minute(
    server: ScriptedServer, tmp_path: Path, clock: Clock, seconds: float, sent: list[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("old-token")
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})

    asked = await twice(server, kubeconfig, clock, seconds, lambda: token.write_text("new-token"))

    assert asked == [f"Bearer {value}" for value in sent]


async def test_a_token_that_can_not_be_read_for_a_moment_is_used_on(
    server: ScriptedServer, tmp_path: Path, clock: Clock
) -> None:
    token = tmp_path / "token"
    token.write_text("old-token")
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})

    assert await twice(server, kubeconfig, clock, 61, token.unlink) == ["Bearer old-token"] * 2


class Loading:
    """Gives one value after the other, once it may."""

    def __init__(self) -> None:
        self.calls: list[bool] = []
        self.gate = asyncio.Event()

    async def __call__(self, *, new: bool) -> str:
        self.calls.append(new)
        await self.gate.wait()
        return f"value {len(self.calls)}"


async def test_however_many_are_refused_one_of_them_reads_it_anew(clock: Clock) -> None:
    loading = Loading()
    credential = ReloadedCredential("value 0", loading, "pod", clock.monotonic)

    asking = [asyncio.create_task(credential.authorization("value 0")) for _ in range(5)]
    await asyncio.sleep(0)
    loading.gate.set()

    assert await asyncio.gather(*asking) == ["value 1"] * 5
    assert loading.calls == [True]


async def test_an_older_refusal_does_not_read_it_anew(clock: Clock) -> None:
    loading = Loading()
    credential = ReloadedCredential("value 0", loading, "pod", clock.monotonic)

    assert await credential.authorization("an older one") == "value 0"
    assert loading.calls == []


async def twice(
    server: ScriptedServer,
    kubeconfig: Path,
    clock: Clock,
    seconds: float,
    meanwhile: Callable[[], object] = int,
) -> list[str]:
    """Return the Authorization headers of two requests, so many seconds apart."""
    async with connect(kubeconfig, patience=clock.patience()) as client:
        server.say({})
        await client.request("GET", "/version")
        meanwhile()
        clock.seconds += seconds
        server.say({})
        await client.request("GET", "/version")
    return [request.headers["authorization"] for request in server.requests]
