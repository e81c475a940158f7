"""The value of a probe's header, which may be a secret, is in nothing but the spec it stands in."""

from typing import Any

import pytest

from tests.api.objects import endpoint
from tests.cli.commands.conftest import Place, Program
from tests.security.transcripts import secret

VALUE = secret("the header of a probe, offline", "Bearer an-offline-probes-own-0penSesame")
PORT = {"name": "http", "port": 8080}


def check(**fields: Any) -> dict[str, Any]:
    return {"healthCheck": {"enabled": True, **fields}}


COMMANDS = [
    ("validate", "-f"),
    ("validate", "-o", "json", "-f"),
    ("plan", "-f"),
    ("plan", "-o", "json", "-f"),
    ("plan", "-o", "yaml", "-f"),
    ("explain", "api", "-f"),
    ("sync", "--standalone"),
    ("--debug", "sync", "--standalone"),
    ("--log-level", "debug", "sync", "--standalone"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_no_command_shows_the_value(
    place: Place, program: Program, command: tuple[str, ...]
) -> None:
    headers = check(headers={"Authorization": VALUE, "X-Key": VALUE})
    place.write("api", discovery={"ports": [PORT | headers]}, endpoints=[endpoint() | headers])
    out = () if "validate" in command else ("--out", str(place.out))
    done = await program(*command, str(place.manifests), *out)
    assert done.code in {0, 1}
    assert done.out + done.err
    assert VALUE not in done.out + done.err
    for name, (*_, content) in place.files().items():
        # The spec is repeated in status.yaml, where the author has it.
        assert VALUE not in content.decode().rpartition("\nstatus:")[2], name


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"Authorization": f"{VALUE}\n"}},
        {"headers": {"Authorization": VALUE * 200}},
        {"headers": {"Authorization": [VALUE]}},
        {"headers": VALUE},
        {"headers": {"Authorization": VALUE}, "interval": "soon"},
        {"headersFrom": [{"header": "X-Key", "value": VALUE}]},
    ],
    ids=["two lines", "too long", "a list", "a text", "another mistake", "no reference"],
)
async def test_no_mistake_beside_it_shows_the_value(
    place: Place, program: Program, fields: dict[str, Any]
) -> None:
    path = place.write("api", discovery={"ports": [PORT | check(**fields)]})
    done = await program("validate", "-f", str(path))
    assert done.code == 1
    assert VALUE not in done.out + done.err
