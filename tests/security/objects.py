"""What the program has left where others read it: in an API server, and in a folder."""

from pathlib import Path
from typing import Any, Final

import httpx

from tests.security.transcripts import note

READ: Final = (
    "/apis/gateway.tailscale.com/v1alpha1{}/tailscaleendpoints",
    "/apis/discovery.k8s.io/v1{}/endpointslices",
    "/api/v1{}/services",
    "/apis/events.k8s.io/v1{}/events",
    "/apis/coordination.k8s.io/v1{}/leases",
)


def note_objects(api: httpx.Client, namespace: str = "") -> None:
    """Note the statuses, children, events and Leases of a namespace, or of every one.

    A TailscaleEndpoints is its author's but for its status; the other kinds are noted whole. A
    server that does not answer, as some tests leave theirs, holds nothing that could be read.
    """
    for path in READ:
        try:
            answer = api.get(path.format(f"/namespaces/{namespace}" if namespace else ""))
        except httpx.TransportError:
            return
        if "/tailscaleendpoints" not in path:
            note("objects of the cluster", answer.text)
        elif answer.is_success:
            for item in answer.json()["items"]:
                note("statuses", _spelled(item.get("status")))


def _spelled(status: Any) -> str:
    return str(status or "")


def note_files(folder: Path) -> None:
    """Note every file that ``sync`` or ``run`` has written to a folder; of status.yaml the status.

    What stands above it there is the resource as its author wrote it.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_text(errors="replace")
            _, found, status = text.partition("\nstatus:")
            note("files", status if found else text)
