"""What is open to whoever reaches a port says how many machines there are, and nothing of each."""

from discovery.simulator import read_devices
from tests.cluster.conftest import Cluster
from tests.cluster.replica import FLEET, Log, running
from tests.controlplane.access import ControlPlane


async def test_metrics_name_neither_machine_nor_resource(
    control_plane: ControlPlane, cluster: Cluster, log: Log
) -> None:
    await cluster.create("my-resource")
    kubeconfig = control_plane.kubeconfig(namespace=cluster.namespace)
    async with running(kubeconfig, cluster.namespace) as (replica, _):
        await cluster.until_condition("my-resource", "Ready", "True")
        text = replica.metrics.text().decode()
    assert 'tailnet="company.ts.net"' in text
    assert "my-resource" not in text
    for device in read_devices(FLEET):
        told = [device["nodeId"], *device["addresses"], *device.get("tags", ())]
        told += [device["name"], f'"{device["name"].partition(".")[0]}"', device["user"]]
        assert not [one for one in told if one in text]
