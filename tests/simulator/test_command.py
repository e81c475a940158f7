import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from discovery.cli.simulate import simulate
from discovery.simulator.faults import Area, Kind

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "fixtures" / "tailnet"
PROGRAM = "from discovery.cli.simulate import simulate; simulate()"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(simulate, arguments)


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *arguments]


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *program(*arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )


async def announced(process: asyncio.subprocess.Process) -> dict[str, str]:
    assert process.stdout is not None
    line: dict[str, str] = json.loads(await process.stdout.readline())
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_ends_on_a_signal(number: signal.Signals) -> None:
    process = await started("--devices", str(FLEET / "devices.json"), "--fault", "503x1")
    line = await announced(process)
    assert line["url"].startswith("http://127.0.0.1:")
    assert line["tailnet"] == "company.ts.net"
    assert line["api_key"].startswith("tskey-api-")
    assert line["client_secret"].startswith("tskey-client-")
    assert set(line) == {"url", "tailnet", "api_key", "client_id", "client_secret"}
    async with httpx.AsyncClient(base_url=f"{line['url']}/api/v2") as client:
        client.auth = httpx.BasicAuth(line["api_key"], "")
        assert (await client.get("/tailnet/-/devices")).status_code == 503
        assert len((await client.get("/tailnet/-/devices")).json()["devices"]) == 26
        assert (await client.get("/tailnet/-/services")).json() == {"vipServices": []}
        process.send_signal(number)
        assert await process.wait() == 0
    assert process.stdout is not None
    assert await process.stdout.read() == b""


async def test_without_files_it_serves_a_small_tailnet() -> None:
    process = await started("--tailnet", "demo.ts.net", "--tag", "tag:more", "--listen", "[::1]:0")
    line = await announced(process)
    assert line["tailnet"] == "demo.ts.net"
    assert line["url"].startswith("http://[::1]:")
    async with httpx.AsyncClient(base_url=f"{line['url']}/api/v2") as client:
        client.auth = httpx.BasicAuth(line["api_key"], "")
        devices = (await client.get("/tailnet/demo.ts.net/devices")).json()["devices"]
        assert devices[0]["name"] == "api-1.demo.ts.net"
        assert "tags" not in devices[-1]
        services = (await client.get("/tailnet/-/services")).json()["vipServices"]
        assert [one["name"] for one in services] == ["svc:wiki"]
        body = {"name": "svc:a", "ports": ["tcp:1"], "tags": ["tag:more"]}
        assert (await client.put("/tailnet/-/services/svc:a", json=body)).status_code == 200
    process.terminate()
    assert await process.wait() == 0


def test_a_command_finds_the_simulator_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TS_API_CLIENT_SECRET", "of-a-real-tailnet")
    script = (
        "import httpx, os, pathlib, sys\n"
        "url = os.environ['TS_BASE_URL'] + '/api/v2/tailnet/' + os.environ['TS_TAILNET']\n"
        "answer = httpx.get(url + '/devices', auth=(os.environ['TS_API_KEY'], ''))\n"
        "told = f'{answer.status_code} {os.environ.get(\"TS_API_CLIENT_SECRET\")}'\n"
        "pathlib.Path(sys.argv[1]).write_text(told)\n"
        "sys.exit(7)\n"
    )
    result = run(
        "--tailnet", "x.ts.net", "--", sys.executable, "-c", script, str(tmp_path / "told")
    )
    assert (tmp_path / "told").read_text() == "200 None"
    assert (result.exit_code, result.stdout) == (7, "")


def test_options_after_the_command_are_the_commands(tmp_path: Path) -> None:
    assert run("sh", "-c", f"echo $0 > {tmp_path}/told", "--fault").exit_code == 0
    assert (tmp_path / "told").read_text() == "--fault\n"


def test_a_command_that_a_signal_ended_has_a_shells_exit_code() -> None:
    assert run("--", "sh", "-c", "kill -9 $$").exit_code == 137


async def test_sigterm_goes_on_to_the_command() -> None:
    trap = "trap 'kill $!; echo ended; exit 9' TERM; sleep 60 & echo ready; wait"
    process = await started("--", "sh", "-c", trap)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.terminate()
    assert await process.stdout.readline() == b"ended\n"
    assert await process.wait() == 9


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            ("--listen", "0.0.0.0:0"),
            2,
            "0.0.0.0 is not a loopback address (--listen). Use 127.0.0.1:PORT or [::1]:PORT",
        ),
        (("--listen", "9000"), 2, '"9000" is not HOST:PORT (--listen). Use 127.0.0.1:0 for'),
        (("--listen", "127.0.0.1:65536"), 2, '"127.0.0.1:65536" is not HOST:PORT'),
        (
            ("--fault", "500", "--fault", "nonsense"),
            2,
            'wrong fault: no fault "nonsense": use a status or one of html, redirect, body, slow,',
        ),
        (
            ("--devices", "/nowhere.json"),
            3,
            "cannot read the file: No such file or directory (/nowhere.json). Give the JSON body",
        ),
        (("--", "/nowhere/command"), 127, "cannot start the command: No such file or directory"),
    ],
)
def test_a_wrong_call_is_one_clear_line(arguments: tuple[str, ...], code: int, line: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(f"error: {line}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "content", "problem"),
    [
        ("--devices", "{", "not JSON: Expecting property name"),
        ("--devices", "\xff", "not JSON: "),
        ("--devices", "[]", 'no list "devices" at the top level'),
        ("--devices", '{"devices":null}', 'no list "devices" at the top level'),
        ("--services", '{"devices":[]}', 'no list "vipServices" at the top level'),
        ("--services", '{"vipServices":[{}]}', "vipServices[0] has no name"),
    ],
)
def test_a_file_of_another_form_is_one_clear_line(
    tmp_path: Path, option: str, content: str, problem: str
) -> None:
    path = tmp_path / "body.json"
    path.write_text(content, encoding="latin-1")
    result = run(option, str(path))
    assert result.exit_code == 3
    assert result.stderr.startswith(f"error: {problem}")
    assert f"({path}). Give the JSON body that the API answers\n" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [(), ("--", "true")])
def test_a_port_in_use_is_one_clear_line(command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        result = run("--listen", f"127.0.0.1:{port}", *command)
    assert result.exit_code == 3
    assert result.stderr == (
        f"error: cannot listen: Address already in use (--listen 127.0.0.1:{port}). "
        "Use port 0 for a free one\n"
    )


def test_the_help_names_every_fault_and_area() -> None:
    text = run("--help").stdout
    for word in [kind for kind in Kind if kind is not Kind.STATUS] + list(Area):
        assert word in text


async def test_importing_the_command_loads_no_web_server() -> None:
    script = (
        "import sys, discovery.cli.simulate\n"
        "print({'uvicorn', 'starlette', 'httpx'} & set(sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out == b"set()\n"
