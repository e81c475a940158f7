"""The Tailscale API on loopback, for tests and try-outs.

It is written from Tailscale's published contract and from what its service was seen to answer, and
knows nothing of this project's own client: it imports nothing else of it.

In a test::

    state = SimulatorState("company.ts.net", devices=read_devices(Path("devices.json")))
    async with Simulator(state) as simulator:
        ...                                       # simulator.url, state.credentials.api_key
        state.devices[0]["tags"] = ["tag:web"]    # the next answer has it
        state.faults.add("503:1@devicesx2")       # see discovery.simulator.faults
        state.clock.advance(3600)                 # tokens expire, nobody waits
        state.calls.count("GET /api/v2/tailnet/{tailnet}/devices")

From outside (``tailnet-discovery simulate``) the same switches are under ``/simulator``: see
:mod:`discovery.simulator.control`.
"""

from discovery.simulator.bodies import UnreadableBodyError, read_devices, read_services
from discovery.simulator.builtin import builtin_devices, builtin_services
from discovery.simulator.faults import parse_rule
from discovery.simulator.server import Simulator
from discovery.simulator.state import SimulatorState

__all__ = [
    "Simulator",
    "SimulatorState",
    "UnreadableBodyError",
    "builtin_devices",
    "builtin_services",
    "parse_rule",
    "read_devices",
    "read_services",
]
