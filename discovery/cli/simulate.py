"""``simulate``: the Tailscale API on loopback, for tests and try-outs."""

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from discovery.simulator import Simulator, SimulatorState

_HELP: Final = """Serve the Tailscale API on loopback, for tests and try-outs.

Prints one JSON line with its URL and its (fake) credentials when it listens, and serves until
SIGTERM or SIGINT. With a COMMAND it runs that command instead, with TS_BASE_URL, TS_API_KEY and
TS_TAILNET set to itself, and ends with the command's exit code. Without files it serves a small
tailnet of its own.

\b
A fault RULE is KIND[:ARGUMENT][@AREA][xN]; N is the number of requests it is for:
  300..599            that status; 429:30 with Retry-After (seconds or an HTTP date)
  html[:STATUS]       a proxy's HTML page (502)
  redirect:URL        307 to that URL
  body:TEXT           200 with that text: body:null, body:{}, body:[]
  slow:SECONDS        the answer after that time
  drop, lost          no answer; the request was not, or was, carried out
  truncated           half of the body
  oversized[:BYTES]   blanks after the body (16 MiB)
  missing-scope       the credential lacks the scope
  empty, half         of a list
  untagged            more than half of the tagged devices have no tags
  foreign[:SUFFIX]    every device's name has another suffix
  malformed[:WHAT]    one broken device: addresses, nodeId, id, tags or entry
AREA is * (every call), devices (device-list, device), services (service-list, service), writes,
oauth or webhooks. Rules are asked in order, and the first that fits decides the request.
While it runs, the same switches are under URL/simulator (faults, devices, services, hosts, clock,
oauth, requests, events).

\b
Examples:
  tailnet-discovery simulate --devices devices.json --fault 503:1@devicesx2 --fault half
  tailnet-discovery simulate -- tailnet-discovery devices -l env=production
"""


class SimulateError(click.ClickException):
    """A line for the user: what, where, what to do."""

    exit_code = 3

    def show(self, file: object = None) -> None:
        """Print the line to stderr."""
        del file
        click.echo(f"error: {self.format_message()}", err=True)


class WrongUsageError(SimulateError):
    """An option has a value that it can not have."""

    exit_code = 2


class NotStartedError(SimulateError):
    """The command could not be started; the exit code is the one that shells have for it."""

    exit_code = 127


@click.command(help=_HELP, context_settings={"allow_interspersed_args": False})
@click.option(
    "--listen",
    default="127.0.0.1:0",
    metavar="HOST:PORT",
    show_default=True,
    help="A loopback address; port 0 takes a free one.",
)
@click.option(
    "--tailnet",
    metavar="NAME",
    help="The tailnet's name.  [default: the suffix of most devices]",
)
@click.option(
    "--devices", type=Path, metavar="FILE", help="JSON, as the API answers the list of devices."
)
@click.option(
    "--services", type=Path, metavar="FILE", help="JSON, as the API answers the list of Services."
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    help="A tag that no device has but a Service may.",
)
@click.option(
    "--fault", "faults", multiple=True, metavar="RULE", help="What goes wrong; see above."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def simulate(  # noqa: PLR0913, PLR0917  one parameter for each option
    listen: str,
    tailnet: str | None,
    devices: Path | None,
    services: Path | None,
    tags: tuple[str, ...],
    faults: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    """Serve the API, alone or beside a command."""
    # Imported here, so that the help of the whole program does not wait for a web server.
    from discovery.simulator import UnreadableBodyError  # noqa: PLC0415

    host, port = _address(listen)
    try:
        state = _state(tailnet, devices, services)
    except UnreadableBodyError as error:
        message = f"{error}. Give the JSON body that the API answers"
        raise SimulateError(message) from error
    state.tags.update(tags)
    _add(faults, state)
    _run(state, host, port, command)


def _state(name: str | None, devices: Path | None, services: Path | None) -> "SimulatorState":
    from discovery.simulator import bodies, builtin, state  # noqa: PLC0415

    served = None if devices is None else bodies.read_devices(devices)
    offered = None if services is None else bodies.read_services(services)
    tailnet = name or bodies.suffix_of(served or ()) or state.DEFAULT_TAILNET
    if served is None:
        served = builtin.builtin_devices(tailnet)
        offered = builtin.builtin_services() if offered is None else offered
    return state.SimulatorState(tailnet, devices=served, services=offered or ())


def _add(faults: tuple[str, ...], state: "SimulatorState") -> None:
    for rule in faults:
        try:
            state.faults.add(rule)
        except ValueError as error:
            message = f"wrong fault: {error} (--fault {rule}). See simulate --help"
            raise WrongUsageError(message) from error


def _run(state: "SimulatorState", host: str, port: int, command: tuple[str, ...]) -> None:
    from discovery.simulator import Simulator, running  # noqa: PLC0415

    try:
        simulator = Simulator(state, host=host, port=port)
    except ValueError as error:
        message = f"{error} (--listen). Use 127.0.0.1:PORT or [::1]:PORT"
        raise WrongUsageError(message) from error
    if command:
        raise SystemExit(_beside(simulator, command))
    try:
        asyncio.run(running.serve(simulator, _announce))
    except OSError as error:
        raise _not_listening(host, port, error) from error


def _beside(simulator: "Simulator", command: tuple[str, ...]) -> int:
    from discovery.simulator import running  # noqa: PLC0415

    try:
        return asyncio.run(running.run_beside(simulator, command))
    except OSError as error:
        if simulator.url:
            message = f"cannot start the command: {error.strerror} ({command[0]}). Check its name"
            raise NotStartedError(message) from error
        raise _not_listening(*simulator.address, error) from error


def _not_listening(host: str, port: int, error: OSError) -> SimulateError:
    # asyncio puts its own words around the system's; the number leads back to these.
    reason = os.strerror(error.errno) if error.errno else error
    message = f"cannot listen: {reason} (--listen {host}:{port}). Use port 0 for a free one"
    return SimulateError(message)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        message = f'"{listen}" is not HOST:PORT (--listen). Use 127.0.0.1:0 for a free port'
        raise WrongUsageError(message)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _announce(simulator: "Simulator") -> None:
    held = simulator.state.credentials
    line = {
        "url": simulator.url,
        "tailnet": simulator.state.tailnet,
        "api_key": held.api_key,
        "client_id": held.client_id,
        "client_secret": held.client_secret,
    }
    click.echo(json.dumps(line))
