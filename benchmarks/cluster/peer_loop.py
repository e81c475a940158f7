"""The peer: a controller's loop as it is commonly written, on Kubernetes' own typed client.

``python -m benchmarks.cluster.peer_loop KUBECONFIG NAMESPACE WANTED VARIANT``. Each line on stdin
begins a pass, whose JSON answer is one line on stdout. A pass lists the resources, Services and
slices and compares what is there with what is wanted; with the variant ``gets`` (else ``lists``) it
reads each child once more before it decides, as a read-modify-write does. WANTED is a file with the
addresses of each resource. Nothing is written: what differs is counted.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from kubernetes.aio import client, config

from benchmarks.cluster.usage import peak

_AT_ONCE = 8  # as many passes as the controller makes side by side
_GROUP = ("gateway.tailscale.com", "v1alpha1")


class Loop:
    """One namespace, as a controller sees it that keeps nothing between two passes."""

    def __init__(
        self, api: Any, namespace: str, wanted: dict[str, list[str]], *, gets: bool
    ) -> None:
        self._services = client.CoreV1Api(api)
        self._slices = client.DiscoveryV1Api(api)
        self._resources = client.CustomObjectsApi(api)
        self._namespace = namespace
        self._wanted = wanted
        self._gets = gets
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> int:
        """Make one pass; return how many children are not as they should be."""
        namespace = self._namespace
        resources, services, slices = await asyncio.gather(
            self._resources.list_namespaced_custom_object(*_GROUP, namespace, "tailscaleendpoints"),
            self._services.list_namespaced_service(namespace),
            self._slices.list_namespaced_endpoint_slice(namespace),
        )
        by_name = {one.metadata.name: one for one in services.items}
        by_service: dict[str, list[Any]] = {}
        for one in slices.items:
            by_service.setdefault(one.metadata.labels["kubernetes.io/service-name"], []).append(one)
        names = [one["metadata"]["name"] for one in resources["items"]]
        return sum(
            await asyncio.gather(
                *(self._differing(name, by_name[name], by_service[name]) for name in names)
            )
        )

    async def _differing(self, name: str, service: Any, slices: list[Any]) -> int:
        async with self._free:
            if self._gets:
                service = await self._services.read_namespaced_service(name, self._namespace)
                slices = [
                    await self._slices.read_namespaced_endpoint_slice(
                        one.metadata.name, self._namespace
                    )
                    for one in slices
                ]
        (port,) = service.spec.ports
        found = [address for one in slices for each in one.endpoints for address in each.addresses]
        is_right = (service.spec.cluster_ip, port.name, port.port) == ("None", "http", 8080)
        return (not is_right) + (sorted(found) != self._wanted[name])


async def serve(
    kubeconfig: str, namespace: str, wanted: dict[str, list[str]], *, gets: bool
) -> None:
    """Make a pass for each line on stdin."""
    await config.load_kube_config(config_file=kubeconfig)
    async with client.ApiClient() as api:
        loop = Loop(api, namespace, wanted, gets=gets)
        while await asyncio.to_thread(sys.stdin.readline):
            used, began = time.process_time(), time.monotonic()
            differing = await loop.run()
            answer = {
                "wall": time.monotonic() - began,
                "cpu": time.process_time() - used,
                "peak": peak(),
                "differing": differing,
            }
            print(json.dumps(answer), flush=True)


def main() -> None:
    """Serve what the command line names."""
    kubeconfig, namespace, file, variant = sys.argv[1:]
    wanted = json.loads(Path(file).read_text())
    asyncio.run(serve(kubeconfig, namespace, wanted, gets=variant == "gets"))


if __name__ == "__main__":
    main()
