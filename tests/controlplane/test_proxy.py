"""The proxy itself: what passes, what it counts, and which requests a fault happens to."""

import threading
import time

import httpx
import pytest

from tests.controlplane import faults
from tests.controlplane.access import ControlPlane
from tests.controlplane.configmaps import MAPS, create, names, watch
from tests.controlplane.faults import Fault
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.proxy import FaultProxy

VERSION = "/version"


def test_without_a_fault_requests_and_answers_pass(client: httpx.Client, namespace: str) -> None:
    made = create(client, namespace, "a")
    assert (made.status_code, made.json()["metadata"]["name"]) == (201, "a")
    assert names(client, namespace) == ["a"]


def test_a_body_in_chunks_passes(client: httpx.Client, namespace: str) -> None:
    parts = (part for part in (b'{"metadata": ', b'{"name": "a"}}'))
    json_type = {"Content-Type": "application/json"}
    made = client.post(MAPS.format(namespace), content=parts, headers=json_type)
    assert made.status_code == 201


def test_a_connection_serves_more_than_one_request(client: httpx.Client) -> None:
    sources = set()
    for _ in range(3):
        stream = client.get(VERSION).extensions["network_stream"]
        sources.add(stream.get_extra_info("client_addr"))
    assert len(sources) == 1


def test_a_watch_flows(client: httpx.Client, control_plane: ControlPlane, namespace: str) -> None:
    with watch(client, namespace) as events:
        create(control_plane.api, namespace, "second")
        assert next(events)["object"]["metadata"]["name"] == "second"


def test_a_watch_that_the_client_leaves_is_left_by_the_proxy(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    with watch(client, namespace):
        assert fault_proxy.open_connections == 1
    fault_proxy.wait_until_left()


def test_kubectl_works_through_the_proxy(fault_proxy: FaultProxy, kubectl: Kubectl) -> None:
    config = fault_proxy.kubeconfig()
    listed = kubectl("get", "namespaces", "-o", "name", kubeconfig=config)
    assert "namespace/kube-system" in listed.stdout.splitlines()
    assert fault_proxy.count("GET", "/api/v1/namespaces") == 1


def test_a_service_account_is_itself_through_the_proxy(
    fault_proxy: FaultProxy, kubectl: Kubectl, namespace: str
) -> None:
    config = fault_proxy.service_account(namespace, "robot")
    said = kubectl(
        "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", kubeconfig=config
    )
    assert said.stdout == f"system:serviceaccount:{namespace}:robot"


def test_requests_are_counted_by_method_path_and_kind(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    names(client, namespace)
    with watch(client, namespace):
        pass
    client.delete(f"{MAPS.format(namespace)}/first")
    assert fault_proxy.count() == 4
    assert fault_proxy.count("POST|DELETE", "/configmaps") == 2
    assert fault_proxy.count("GET", "/configmaps", watch=True) == 1
    assert fault_proxy.count("GET", "/configmaps", watch=False) == 1
    assert fault_proxy.count("GET", "/secrets") == 0
    assert fault_proxy.seen("GET", watch=True)[0].target.endswith("watch=true&timeoutSeconds=20")


def test_one_waits_for_a_request(client: httpx.Client, fault_proxy: FaultProxy) -> None:
    with pytest.raises(AssertionError, match="no 1 requests GET /version"):
        fault_proxy.wait_for(1, "GET", VERSION, within=0.01)
    asking = threading.Timer(0.05, client.get, args=[VERSION])
    asking.start()
    begun = time.monotonic()
    fault_proxy.wait_for(1, "GET", VERSION, within=20)
    assert time.monotonic() - begun < 10
    asking.join()


def test_a_fault_happens_to_what_matches_as_often_as_it_says(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    twice = Fault(faults.server_error(), method="GET", path="/configmaps$", times=2)
    fault_proxy.add(twice)
    path = MAPS.format(namespace)
    assert client.get(VERSION).status_code == 200
    assert client.get(f"{path}/absent").status_code == 404
    assert create(client, namespace, "a").status_code == 201
    assert [client.get(path).status_code for _ in range(3)] == [500, 500, 200]
    assert twice.hits == 2


def test_a_fault_without_a_number_stays_until_it_is_cleared(
    client: httpx.Client, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(faults.server_error(), times=None))
    assert [client.get(VERSION).status_code for _ in range(3)] == [500] * 3
    fault_proxy.clear()
    assert client.get(VERSION).status_code == 200


def test_a_fault_of_lists_alone_spares_watches(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    path = MAPS.format(namespace)
    fault_proxy.add(Fault(faults.forbidden(), path="/configmaps", watch=False, times=None))
    query = {"watch": "true", "timeoutSeconds": "0"}
    with client.stream("GET", path, params=query) as stream:
        assert stream.status_code == 200
    assert client.get(path).status_code == 403


def test_faults_happen_in_the_order_in_which_they_were_added(
    client: httpx.Client, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(faults.bad_gateway()), Fault(faults.server_error()))
    assert [client.get(VERSION).status_code for _ in range(3)] == [502, 500, 200]
