"""The checks that scanners make, by the numbers that Checkov gives them."""

import pytest

from tests.chart.helm import CASES, Helm, case, container, only, pod

KINDS = {"schedule": ("CronJob", "Pod")}
PODS = [(name, kind) for name in CASES for kind in KINDS.get(name, ("Deployment", "Pod"))]

every_pod = pytest.mark.parametrize(("name", "kind"), PODS)


@every_pod
def test_the_container_can_gain_no_privilege(helm4: Helm, name: str, kind: str) -> None:
    # CKV_K8S_16, 20, 22, 23, 25, 28, 30, 37
    security = container(helm4.render(case(name)), kind)["securityContext"]

    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@every_pod
def test_the_pod_runs_as_a_high_user_with_the_default_seccomp_profile(
    helm4: Helm, name: str, kind: str
) -> None:
    # CKV_K8S_6, 29, 31, 40
    security = pod(helm4.render(case(name)), kind)["securityContext"]

    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 65532


@every_pod
def test_requests_and_a_memory_limit_are_set(helm4: Helm, name: str, kind: str) -> None:
    # CKV_K8S_10, 12, 13; not 11: a CPU limit would delay the renewal of the Lease.
    resources = container(helm4.render(case(name)), kind)["resources"]

    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


@every_pod
def test_the_pod_shares_nothing_with_the_node_unless_told_to(
    helm4: Helm, name: str, kind: str
) -> None:
    # CKV_K8S_17, 18, 19
    spec = pod(helm4.render(case(name)), kind)

    assert {"hostPID", "hostIPC"}.isdisjoint(spec)
    assert ("hostNetwork" in spec) == ("hostNetwork" in case(name))


@every_pod
def test_no_secret_is_in_the_environment(helm4: Helm, name: str, kind: str) -> None:
    # CKV_K8S_35
    env = container(helm4.render(case(name)), kind)["env"]

    assert not [entry for entry in env if "secretKeyRef" in entry.get("valueFrom", {})]


@every_pod
def test_only_the_pod_itself_mounts_the_accounts_token(helm4: Helm, name: str, kind: str) -> None:
    # CKV_K8S_38 wants no token at all: the program is one that talks to the API server.
    documents = helm4.render(case(name))

    assert pod(documents, kind)["automountServiceAccountToken"] is True
    for account in (d for d in documents if d["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is (name == "everything-else")


@every_pod
def test_every_pod_is_the_controllers_account(helm4: Helm, name: str, kind: str) -> None:
    names = {"namespaced": "existing", "everything-else": "discovery"}

    account = pod(helm4.render(case(name)), kind)["serviceAccountName"]

    assert account == names.get(name, "td-tailnet-discovery")


@pytest.mark.parametrize("name", sorted(set(CASES) - {"schedule"}))
def test_the_controller_has_its_three_probes(helm4: Helm, name: str) -> None:
    # CKV_K8S_8, 9
    found = container(helm4.render(case(name)))

    assert found["startupProbe"]["failureThreshold"] * found["startupProbe"]["periodSeconds"] == 30
    assert found["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert found["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}


def test_the_image_is_named_by_digest_before_tag_before_version(helm4: Helm) -> None:
    def image(**chosen: str) -> str:
        documents = helm4.render({**case("default"), "image": {"repository": "r/td", **chosen}})
        found: str = container(documents)["image"]
        return found

    digest = f"sha256:{'0' * 64}"
    assert image() == "r/td:0.1.0"
    assert image(tag="1.2") == "r/td:1.2"
    assert image(tag="1.2", digest=digest) == f"r/td@{digest}"


def test_everything_the_values_say_of_the_pod_is_in_it(helm4: Helm) -> None:
    values = case("everything-else")
    documents = helm4.render(values)
    spec, own = pod(documents), container(documents)
    template = only(documents, "Deployment")["spec"]["template"]

    for key in ("affinity", "tolerations", "dnsConfig", "hostAliases", "imagePullSecrets"):
        assert spec[key] == values[key]
    assert spec["terminationGracePeriodSeconds"] == 60
    assert spec["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert spec["initContainers"] == values["initContainers"]
    assert spec["containers"][1:] == values["extraContainers"]
    assert own["env"][-1:] == values["env"]
    assert own["imagePullPolicy"] == "Always"
    assert template["metadata"]["annotations"].items() >= values["podAnnotations"].items()
    assert template["metadata"]["labels"].items() >= values["podLabels"].items()
    assert only(documents, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert only(documents, "Deployment")["metadata"]["annotations"] == {
        "example.com/note": "deployment"
    }


def test_a_test_pod_ends_when_the_program_does(helm4: Helm) -> None:
    spec = pod(helm4.render(case("everything-else")), "Pod")

    assert (spec["restartPolicy"], len(spec["containers"])) == ("Never", 1)
