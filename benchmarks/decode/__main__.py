"""Decoding a device list: ``python -m benchmarks.decode [DEVICES]``.

Prints processor time per list (the best of several) and the peak of memory above the body, for a
first list, an unchanged one, a list with one changed device, and one with a broken device.
"""

import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from discovery.clients.devices import decode_devices
from discovery.tailnet import DeviceList

_ROUNDS = 15


def device(number: int, rng: random.Random) -> dict[str, Any]:
    """Return one device with every field of ``fields=default``, about 700 bytes."""
    return {
        "addresses": [
            f"100.{64 + number // 65536}.{number // 256 % 256}.{number % 256}",
            f"fd7a:115c:a1e0::{number >> 16:x}:{number & 0xFFFF:x}",
        ],
        "id": str(7345120099812345 + number),
        "nodeId": f"n{number:010d}CNTRL",
        "user": "ops@example.com",
        "name": f"api-{number}.company.ts.net",
        "hostname": f"api-{number}",
        "clientVersion": "1.102.1-t0a1b2c3d4-g5e6f7a8b9",
        "updateAvailable": False,
        "os": "linux",
        "created": "2026-03-02T08:15:30Z",
        "connectedToControl": True,
        "keyExpiryDisabled": True,
        "expires": "2026-08-29T08:15:30Z",
        "authorized": True,
        "isExternal": False,
        "machineKey": f"mkey:{rng.randbytes(16).hex()}",
        "nodeKey": f"nodekey:{rng.randbytes(16).hex()}",
        "blocksIncomingConnections": False,
        "tailnetLockKey": f"nlpub:{rng.randbytes(16).hex()}",
        "tailnetLockError": "",
        "tags": [f"tag:service-type-{number % 13}", f"tag:env-{number % 7}"],
        "isEphemeral": False,
    }


def body_of(devices: list[dict[str, Any]]) -> bytes:
    """Return the devices as the API sends them."""
    return json.dumps({"devices": devices}, separators=(",", ":")).encode()


def measure(what: str, decode: Callable[[], DeviceList]) -> None:
    """Print what one decoding costs."""
    best = float("inf")
    for _ in range(_ROUNDS):
        begin = time.process_time()
        decode()
        best = min(best, time.process_time() - begin)
    tracemalloc.start()
    kept = decode()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    counts = f"{len(kept.devices)} devices, {len(kept.unknown)} unknown"
    print(f"{what:<32}{best * 1000:8.1f} ms{peak / 2**20:8.1f} MiB   {counts}")


def main() -> None:
    """Measure lists of the size that the command line names, 10,000 if none."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rng = random.Random(1)
    devices = [device(number, rng) for number in range(count)]
    body = body_of(devices)
    first = decode_devices(body, where="benchmark")
    changed = body_of([{**devices[0], "tags": ["tag:env-9"]}, *devices[1:]])
    broken = body_of([{**devices[0], "addresses": None}, *devices[1:]])
    nulls = body_of([{**one, "tags": None} for one in devices])
    print(f"{count} devices, {len(body) / count:.0f} bytes each")
    measure("first list", lambda: decode_devices(body, where=""))
    measure("the same bytes", lambda: decode_devices(body, where="", previous=first))
    measure("one device changed", lambda: decode_devices(changed, where="", previous=first))
    measure("one device broken", lambda: decode_devices(broken, where="", previous=first))
    measure("null in each device", lambda: decode_devices(nulls, where="", previous=first))


if __name__ == "__main__":
    main()
