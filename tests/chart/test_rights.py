import re
from typing import Any

import pytest

from discovery.clients.kube.access import PERMISSIONS, Scope, rules
from helm import reference
from tests.chart.helm import CASES, Document, Helm, case, only

PAGE = reference.PAGE.read_text()

Right = tuple[str, str, str, tuple[str, ...]]


def rights(role: list[dict[str, Any]]) -> set[Right]:
    """Return every (group, resource, verb, names) that the rules of a role grant."""
    return {
        (group, resource, verb, tuple(rule.get("resourceNames", ())))
        for rule in role
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def named(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = [d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found


def test_the_cluster_role_grants_what_the_program_needs_and_nothing_else(helm4: Helm) -> None:
    role = only(helm4.render(case("default")), "ClusterRole")

    assert rights(role["rules"]) == rights(rules(PERMISSIONS, Scope.WATCHED))


@pytest.mark.parametrize(
    ("name", "lease"),
    [("default", "tailnet-discovery"), ("several-tailnets", "tailnet-discovery-second")],
)
def test_the_role_grants_the_lease_of_the_instance(helm4: Helm, name: str, lease: str) -> None:
    role = only(helm4.render(case(name)), "Role")

    assert rights(role["rules"]) == rights(rules(PERMISSIONS, Scope.OWN, lease=lease))


def test_the_page_lists_what_the_roles_grant() -> None:
    rows = re.findall(
        r"^\| ([a-z/]+)( \(events\.k8s\.io\))? \| ([a-z, ;]+) \|$", PAGE, re.MULTILINE
    )
    listed = {
        (resource, verb) for resource, _, verbs in rows for verb in re.findall(r"\b[a-z]+", verbs)
    }
    granted = {
        ("/".join(filter(None, (one.resource, one.subresource))), one.verb) for one in PERMISSIONS
    }

    assert listed - {("leases", word) for word in ("and", "of", "its", "own")} == granted


def test_one_namespace_is_watched_with_a_role_there(helm4: Helm) -> None:
    documents = helm4.render(case("namespaced"))
    role = named(documents, "Role", "td-tailnet-discovery")
    binding = named(documents, "RoleBinding", "td-tailnet-discovery")

    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "production"
    assert rights(role["rules"]) == rights(rules(PERMISSIONS, Scope.WATCHED)) | {
        ("", "secrets", "get", ("probe-headers",))
    }
    assert {"ClusterRole", "ClusterRoleBinding"}.isdisjoint(d["kind"] for d in documents)


@pytest.mark.parametrize("name", CASES)
def test_every_binding_is_of_the_account_of_the_pods_and_a_role_that_is_there(
    helm4: Helm, name: str
) -> None:
    documents = helm4.render(case(name))
    pods = only(documents, "Pod")
    account = {
        "kind": "ServiceAccount",
        "name": pods["spec"]["serviceAccountName"],
        "namespace": pods["metadata"]["namespace"],
    }

    for binding in (d for d in documents if d["kind"].endswith("Binding")):
        assert binding["subjects"] == [account]
        role = named(documents, binding["roleRef"]["kind"], binding["roleRef"]["name"])
        assert role["metadata"].get("namespace") == binding["metadata"].get("namespace")


def test_no_right_is_made_where_somebody_else_makes_them(helm4: Helm) -> None:
    documents = helm4.render({**case("default"), "rbac": {"create": False}})

    assert not [d for d in documents if d["apiVersion"].startswith("rbac")]


def test_peoples_roles_are_for_the_resources_alone_and_included_in_no_other(helm4: Helm) -> None:
    documents = helm4.render({**case("default"), "rbac": {"userRoles": True}})
    view = named(documents, "ClusterRole", "td-tailnet-discovery-view")
    edit = named(documents, "ClusterRole", "td-tailnet-discovery-edit")

    assert {(g, r) for g, r, _, _ in rights(view["rules"]) | rights(edit["rules"])} == {
        ("gateway.tailscale.com", "tailscaleendpoints")
    }
    assert {verb for _, _, verb, _ in rights(view["rules"])} == {"get", "list", "watch"}
    for role in (view, edit):
        assert not [key for key in role["metadata"]["labels"] if "aggregate" in key]


def test_only_the_role_to_view_can_be_included_in_kubernetes_own(helm4: Helm) -> None:
    documents = helm4.render(case("everything-else"))
    labels = {
        d["metadata"]["name"]: [key for key in d["metadata"]["labels"] if "aggregate" in key]
        for d in documents
        if d["kind"] == "ClusterRole"
    }

    assert [found for found in labels.values() if found] == [
        ["rbac.authorization.k8s.io/aggregate-to-view"]
    ]
