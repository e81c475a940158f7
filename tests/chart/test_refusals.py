import re
from typing import Any

import pytest

from tests.chart.helm import CHART, Helm, HelmError, case

ONE = {"tailnets": [{"name": "company.ts.net"}]}


def said(helm: Helm, values: dict[str, Any]) -> str:
    """Return what Helm said when it refused the values, without how often it logged it."""
    with pytest.raises(HelmError) as raised:
        helm.render(values)
    lines = [line for line in str(raised.value).splitlines() if "funcMap" not in line]
    return "\n".join(line for line in lines if "engine.go" not in line)


# Helm 3 and Helm 4 use different validators, which say it differently.
@pytest.mark.parametrize(
    ("values", "helm_3", "helm_4"),
    [
        (
            {"replicaCount": "two"},
            "replicaCount: Invalid type. Expected: integer, given: string",
            "at '/replicaCount': got string, want integer",
        ),
        (
            {"replicaCount": -1},
            "replicaCount: Must be greater than or equal to 0",
            "at '/replicaCount': minimum: got -1, want 0",
        ),
        (
            {"replicas": 2},
            "Additional property replicas is not allowed",
            "additional properties 'replicas' not allowed",
        ),
        (
            {"image": {"registry": "example.com"}},
            "image: Additional property registry is not allowed",
            "at '/image': additional properties 'registry' not allowed",
        ),
        (
            {"image": {"digest": "latest"}},
            "image.digest: Does not match pattern",
            "at '/image/digest': 'latest' does not match pattern",
        ),
        (
            {"logging": {"level": "loud"}},
            'logging.level must be one of the following: "debug", "info", "warning", "error"',
            "at '/logging/level': value must be one of 'debug', 'info', 'warning', 'error'",
        ),
        (
            {"tailnets": [{"name": "a.ts.net", "pollIntervall": "60s"}]},
            "tailnets.0: Additional property pollIntervall is not allowed",
            "at '/tailnets/0': additional properties 'pollIntervall' not allowed",
        ),
        (
            {"tailnets": [{"controlPlane": "Tailscale"}]},
            "tailnets.0: name is required",
            "at '/tailnets/0': missing property 'name'",
        ),
        (
            {"tailnets": [{"name": ""}]},
            "tailnets.0.name: String length must be greater than or equal to 1",
            "at '/tailnets/0/name': minLength: got 0, want 1",
        ),
        (
            {"tailnets": [{"name": "a.ts.net", "credentials": {"apiKey": "tskey"}}]},
            "tailnets.0.credentials: Additional property apiKey is not allowed",
            "at '/tailnets/0/credentials': additional properties 'apiKey' not allowed",
        ),
        (
            {"tailnets": [{"name": "a.ts.net", "removal": {"maxPercent": 101}}]},
            "tailnets.0.removal.maxPercent: Must be less than or equal to 100",
            "at '/tailnets/0/removal/maxPercent': maximum: got 101, want 100",
        ),
        (
            {"env": [{"value": "x"}]},
            "env.0: name is required",
            "at '/env/0': missing property 'name'",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_schema_names_the_value_and_what_it_may_be(
    helm: Helm, values: dict[str, Any], helm_3: str, helm_4: str
) -> None:
    assert (helm_3 if helm.major == 3 else helm_4) in said(helm, {**ONE, **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"tailnets": []},
            "no tailnet is named. Name one: --set 'tailnets[0].name=company.ts.net'",
        ),
        (
            {"tailnets": [{"name": "a.ts.net"}, {"name": "b.ts.net"}]},
            (
                "tailnets[0] and tailnets[1] have no credentials of their own, and those of oauth "
                "are for one tailnet. Name a Secret: credentials: {secretName: NAME}"
            ),
        ),
        (
            {
                "tailnets": [
                    {"name": "a.ts.net", "credentials": {"secretName": "a", "directory": "/a"}}
                ]
            },
            (
                "tailnets[0].credentials has a secretName and a directory. Keep one: the chart "
                "mounts the Secret itself"
            ),
        ),
        (
            {"oauth": {"clientId": "k"}},
            (
                "oauth.clientId is set without oauth.clientSecret. Set both, or neither and make "
                "the Secret beforehand"
            ),
        ),
        (
            {"oauth": {"clientSecret": "k"}},
            (
                "oauth.clientSecret is set without oauth.clientId. Set both, or neither and make "
                "the Secret beforehand"
            ),
        ),
        (
            {"oauth": {"audience": "a"}},
            "oauth.audience is set without oauth.clientId. Set the ID of the federated identity",
        ),
        (
            {"oauth": {"audience": "a", "clientId": "k", "clientSecret": "s"}},
            (
                "oauth.audience and oauth.clientSecret are set together. Keep one: workload "
                "identity has no secret"
            ),
        ),
        (
            {"podDisruptionBudget": {"enabled": True, "minAvailable": 0, "maxUnavailable": 1}},
            (
                "podDisruptionBudget.minAvailable and maxUnavailable are set together. Keep one: "
                "Kubernetes takes no more"
            ),
        ),
        (
            {"podDisruptionBudget": {"enabled": True}, "schedule": "0 * * * *"},
            (
                "podDisruptionBudget.enabled and schedule are set together. Keep one: a scheduled "
                "run needs no budget"
            ),
        ),
        (
            {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}},
            (
                "serviceMonitor.enabled needs the Service for /metrics. Set service.enabled, and "
                "no schedule"
            ),
        ),
        (
            {"serviceMonitor": {"enabled": True}, "schedule": "0 * * * *"},
            (
                "serviceMonitor.enabled needs the Service for /metrics. Set service.enabled, and "
                "no schedule"
            ),
        ),
        (
            {"env": [{"name": "TAILNET_DISCOVERY_POD_NAME", "value": "x"}]},
            "env: the name TAILNET_DISCOVERY_POD_NAME is taken. Choose another",
        ),
        (
            {"extraVolumes": [{"name": "oauth", "emptyDir": {}}]},
            "extraVolumes: the name oauth is taken. Choose another",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_what_to_do(
    helm: Helm, values: dict[str, Any], message: str
) -> None:
    error = said(helm, {**ONE, **values})

    assert re.search(
        r"^Error: execution error at .*: " + re.escape(message) + "$", error, re.MULTILINE
    )


def test_the_defaults_alone_pass_lint(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


def test_a_parent_chart_may_set_its_own_keys(helm: Helm) -> None:
    assert helm.render({**case("default"), "global": {"a": 1}, "enabled": True})
