"""A small tailnet for a first look, served where no file is given."""

from discovery.simulator.refusals import JSONObject

_MACHINES = (
    ("api-1", "linux", ("env-production", "service-type-api", "port-8080")),
    ("api-2", "linux", ("env-production", "service-type-api", "port-8080")),
    ("api-staging-1", "linux", ("env-staging", "service-type-api", "port-8080")),
    ("web-1", "linux", ("env-production", "service-type-web")),
    ("db-1", "linux", ("env-production", "service-type-database", "port-5432", "protocol-tcp")),
    ("k8s-operator", "linux", ("k8s-operator", "k8s")),
    ("alice-laptop", "macOS", ()),
)


def builtin_devices(tailnet: str) -> list[JSONObject]:
    """Return the devices of the built-in tailnet, under its name."""
    return [
        _device(number, f"{label}.{tailnet}", system, [f"tag:{name}" for name in names])
        for number, (label, system, names) in enumerate(_MACHINES, start=1)
    ]


def builtin_services() -> list[JSONObject]:
    """Return the Services of the built-in tailnet: one that somebody made by hand."""
    return [
        {
            "name": "svc:wiki",
            "addrs": ["100.69.161.118", "fd7a:115c:a1e0::da01:2897"],
            "comment": "Made by hand",
            "ports": ["tcp:443"],
        }
    ]


def _device(number: int, name: str, system: str, tags: list[str]) -> JSONObject:
    device: JSONObject = {
        "addresses": [f"100.84.12.{number}", f"fd7a:115c:a1e0::c401:c{number:02x}"],
        "id": str(7345120099812000 + number),
        "nodeId": f"nDEMO{number:04d}11CNTRL",
        "user": "ops@example.com",
        "name": name,
        "hostname": name.partition(".")[0],
        "clientVersion": "1.102.3-t0a1b2c3d4-g5e6f7a8b9",
        "updateAvailable": False,
        "os": system,
        "created": "2026-03-02T08:15:30Z",
        "connectedToControl": True,
        "keyExpiryDisabled": bool(tags),
        "expires": "2036-03-02T08:15:30Z",
        "authorized": True,
        "isExternal": False,
        "machineKey": f"mkey:{number:064x}",
        "nodeKey": f"nodekey:{number:064x}",
        "blocksIncomingConnections": False,
        "tailnetLockKey": f"nlpub:{number:064x}",
        "tailnetLockError": "",
        "isEphemeral": False,
        "enabledRoutes": [],
        "advertisedRoutes": [],
        "sshEnabled": False,
        "postureIdentity": {"disabled": True},
    }
    return {**device, "tags": tags} if tags else device
