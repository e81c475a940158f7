"""Whether this place can reach machines of a tailnet, and knows their names.

A connection that is accepted or refused proves a route: somebody over there has answered. Silence
proves nothing, since a tailnet's access rules drop what they do not allow; so it is a warning.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from discovery.addresses import is_tailnet_text
from discovery.diagnosis.check import Check, Result
from discovery.plan.gate import usable_addresses
from discovery.source import Source
from discovery.tailnet import Device

Dial = Callable[[str, int], Awaitable[None]]
"""Opens a TCP connection and closes it; raises OSError where that is refused or fails."""
Resolve = Callable[[str], Awaitable[Collection[str]]]
"""Returns the addresses of a name; raises OSError where it has none."""

USUAL_PORTS: Final = (22, 80, 443)
TARGETS: Final = 3
PATIENCE: Final = 3.0  # seconds for each connection

_WAYS: Final = (
    "There are three ways: tailscaled on every node; a subnet router or Tailscale's Connector as "
    "the nodes' route to 100.64.0.0/10; or tailscaled in userspace as a proxy beside the gateway"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A machine to try, by one of its addresses, on the ports that it is most likely to answer."""

    name: str
    address: str
    ports: tuple[int, ...] = USUAL_PORTS


async def connect(address: str, port: int) -> None:
    """Open a TCP connection and close it."""
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def resolve(name: str) -> Collection[str]:
    """Ask the system's resolver for the addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return {str(address[4][0]) for address in found}


def targets(sources: Iterable[Source], slices: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Choose machines to try: endpoints first, on their own ports, then any eligible device.

    ``slices`` are the controller's EndpointSlices. Of the devices those come first that the control
    plane calls online.
    """
    chosen = {target.address: target for target in _of_slices(slices)}
    for source in sources:
        for device in _eligible(source):
            for address in usable_addresses(device, source.policy.denied)[:1]:
                target = Target(device.label or device.node_id, str(address))
                chosen.setdefault(target.address, target)
    return list(chosen.values())[:TARGETS]


async def check_route(chosen: Sequence[Target], dial: Dial) -> Check:
    """Try every port of every target at once, and say who answered."""
    if not chosen:
        return Check("route", Result.SKIPPED, "no machine is known that could be tried")
    answers = await asyncio.gather(*(_try(target, dial) for target in chosen))
    answered = [text for text, reached in answers if reached]
    silent = [text for text, reached in answers if not reached]
    if not answered:
        text = f"nobody answered: {', '.join(silent)}. {_WAYS}. Look at the access rules, too."
        return Check("route", Result.WARNING, text)
    if silent:
        text = f"{', '.join(answered)}; but not {', '.join(silent)}"
        return Check("route", Result.WARNING, f"{text}. Do the access rules allow it?")
    return Check("route", Result.OK, ", ".join(answered))


async def check_names(sources: Iterable[Source], resolve: Resolve) -> Check:
    """Ask for the name of one device. Nothing depends on it: endpoints are addresses."""
    named = [device for source in sources for device in _eligible(source) if "." in device.name]
    if not named:
        return Check("names", Result.SKIPPED, "no device has a full name that could be asked for")
    device = named[0]
    try:
        async with asyncio.timeout(PATIENCE):
            found = await resolve(device.name)
    except (OSError, TimeoutError):
        found = ()
    known = {ip_address(address) for address in device.addresses}
    if known & {ip_address(address) for address in found}:
        return Check("names", Result.OK, f"{device.name} resolves (MagicDNS)")
    text = f"{device.name} does not resolve to its address here; nothing depends on it"
    return Check("names", Result.SKIPPED, text)


async def _try(target: Target, dial: Dial) -> tuple[str, bool]:
    """Return what came of a target in words, and whether it has answered."""
    said = await asyncio.gather(*(_dialled(target.address, port, dial) for port in target.ports))
    reached = [f"{target.name} ({target.address}:{port} {word})" for port, word, yes in said if yes]
    if reached:
        return reached[0], True
    words = ", ".join(sorted({word for _, word, _ in said}))
    ports = ", ".join(map(str, target.ports))
    return f"{target.name} ({target.address}, ports {ports}: {words})", False


async def _dialled(address: str, port: int, dial: Dial) -> tuple[int, str, bool]:
    try:
        async with asyncio.timeout(PATIENCE):
            await dial(address, port)
    except ConnectionRefusedError:
        return port, "refused", True
    except TimeoutError:
        return port, f"silent for {PATIENCE:g} s", False
    except OSError as error:
        return port, (error.strerror or type(error).__name__).lower(), False
    return port, "connected", True


def _eligible(source: Source) -> list[Device]:
    excluded = source.selection.excluded
    devices = [d for node, d in source.selection.devices.items() if node not in excluded]
    return sorted(devices, key=lambda d: (d.connected_to_control is not True, d.label, d.node_id))


def _of_slices(slices: Sequence[Mapping[str, Any]]) -> Iterable[Target]:
    for one in slices:
        ports = tuple(
            port["port"]
            for port in one.get("ports") or ()
            if port.get("protocol", "TCP") == "TCP" and port.get("port")
        )
        for endpoint in (one.get("endpoints") or ()) if ports else ():
            address = (endpoint.get("addresses") or [""])[0]
            if is_tailnet_text(address):
                yield Target(endpoint.get("hostname") or address, address, ports[:TARGETS])
