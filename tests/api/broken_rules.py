"""Every rule of the API once: what breaks it, where the error is said to be, and in which words.

The offline validation and a real API server are judged by the same table. ``by`` says what refuses
in the CRD: ``schema``, a rule of ``cel``, or a list that is a ``set``.
"""

from typing import Any, NamedTuple

from discovery.addresses import NOT_IN_TAILNET
from discovery.durations import DURATION_FORM
from discovery.targets import TARGET_FORM, TARGET_IS_LOCAL
from discovery.v1alpha1_fields import (
    ACL_TAG_FORM,
    DNS_LABEL_FORM,
    DURATION_BOUNDS,
    FQDN_FORM,
    HEADER_NAME_FORM,
    HEADER_VALUE_FORM,
    OBJECT_NAME_FORM,
    PATH_FORM,
    SERVICE_NAME_FORM,
    TAILNET_FORM,
)
from tagselectors import messages
from tests.api.objects import endpoint, object_of


class Absent:
    """Stands for a field that is left out; its name is the same in every test process."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


class Case(NamedTuple):
    path: str
    value: Any
    message: str
    by: str = "schema"
    at: str = ""

    @property
    def field(self) -> str:
        """The path at which the error is said to be."""
        return self.at or (f"{TAG}.values" if self.path == TAG else self.path)

    def __str__(self) -> str:
        return f"{self.path}={str(self.value)[:30]!r}"


PROTOCOLS = "must be one of HTTP, HTTPS, TCP, UDP, TLS, gRPC"
CHECK = "spec.endpoints[0].healthCheck"
FIRST = "spec.endpoints[0]"
TAG = "spec.tagSelectors[0]"
VIP = "spec.serviceDiscovery.vipServices[0]"
PORT = "spec.discovery.ports[0]"
SECRET = f"{CHECK}.headersFrom[0].secretKeyRef"
ENV = {"key": "env", "operator": "Exists"}

CASES = [
    Case("spec.tailnet", ABSENT, "is required"),
    Case("spec.tailnet", "", TAILNET_FORM),
    Case("spec.tailnet", "company ts net", TAILNET_FORM),
    Case("spec.tailnet", "a" * 254, "must have at most 253 characters"),
    Case("spec.tailnet", 7, 'must be a string: write it in quotes, "7"'),
    Case("spec.mode", "observe", "must be one of Enforce, Observe; did you mean Observe?"),
    Case("spec.endpoints", {}, "must be a list"),
    Case("spec.endpoints[0]", "api", "must be a mapping"),
    Case(f"{FIRST}.name", ABSENT, "is required"),
    Case(f"{FIRST}.name", "api_1", DNS_LABEL_FORM),
    Case(f"{FIRST}.name", "Api", DNS_LABEL_FORM),
    Case(f"{FIRST}.name", "-api", DNS_LABEL_FORM),
    Case(f"{FIRST}.name", "api-", DNS_LABEL_FORM),
    Case(f"{FIRST}.name", "a.b", DNS_LABEL_FORM),
    Case(f"{FIRST}.name", "", DNS_LABEL_FORM),
    Case(f"{FIRST}.name", "a" * 64, "must have at most 63 characters"),
    Case(f"{FIRST}.tailscaleIP", ABSENT, "is required"),
    Case(f"{FIRST}.tailscaleIP", "10.0.0.1", NOT_IN_TAILNET, "cel"),
    Case(f"{FIRST}.tailscaleIP", "100.100.100.100", NOT_IN_TAILNET, "cel"),
    Case(f"{FIRST}.tailscaleIP", "0100.64.0.1", NOT_IN_TAILNET, "cel"),
    Case(f"{FIRST}.tailscaleIP", "a" * 46, "must have at most 45 characters"),
    Case(f"{FIRST}.tailscaleFQDN", ABSENT, "is required"),
    Case(f"{FIRST}.tailscaleFQDN", "api_1.company.ts.net", FQDN_FORM),
    Case(f"{FIRST}.tailscaleFQDN", "https://api.company.ts.net", FQDN_FORM),
    Case(f"{FIRST}.port", ABSENT, "is required"),
    Case(f"{FIRST}.port", 0, "must be at least 1"),
    Case(f"{FIRST}.port", 65536, "must be at most 65535"),
    Case(f"{FIRST}.port", "8080", "must be a whole number: write it without quotes, 8080"),
    Case(f"{FIRST}.port", 80.5, "must be a whole number"),
    Case(f"{FIRST}.port", value=True, message="must be a whole number"),
    Case(f"{FIRST}.protocol", ABSENT, "is required"),
    Case(f"{FIRST}.protocol", "GRPC", f"{PROTOCOLS}; did you mean gRPC?"),
    Case(f"{FIRST}.protocol", "SCTP", PROTOCOLS),
    Case(f"{FIRST}.externalTarget", "api.example.com", TARGET_FORM, "cel"),
    Case(f"{FIRST}.externalTarget", "2001:db8::1:80", TARGET_FORM, "cel"),
    Case(f"{FIRST}.externalTarget", "127.0.0.1:80", TARGET_IS_LOCAL, "cel"),
    Case(f"{FIRST}.externalTarget", "[fe80::1]:80", TARGET_IS_LOCAL, "cel"),
    Case(f"{FIRST}.metadata", {"weight": 100}, "", at=f"{FIRST}.metadata.weight"),
    Case(f"{FIRST}.metadata", dict.fromkeys(map(str, range(33)), ""), "must have at most 32 items"),
    Case(f"{FIRST}.metadata", [], "must be a mapping"),
    Case(f"{CHECK}.enabled", "yes", "must be true or false, without quotes"),
    Case(f"{CHECK}.type", "http", "must be one of HTTP, TCP, UDP, gRPC, TLS; did you mean HTTP?"),
    Case(f"{CHECK}.path", "health", PATH_FORM),
    Case(f"{CHECK}.path", "/a b", PATH_FORM),
    Case(f"{CHECK}.path", f"/{'a' * 1024}", "must have at most 1024 characters"),
    Case(f"{CHECK}.interval", "30", DURATION_FORM),
    Case(f"{CHECK}.interval", "PT30S", DURATION_FORM),
    Case(f"{CHECK}.interval", 30, 'must be a duration in text, such as "30s"'),
    Case(f"{CHECK}.interval", "999ms", DURATION_BOUNDS, "cel"),
    Case(f"{CHECK}.interval", "1h1ms", DURATION_BOUNDS, "cel"),
    Case(f"{CHECK}.timeout", "0s", DURATION_BOUNDS, "cel"),
    Case(f"{CHECK}.healthyThreshold", 0, "must be at least 1"),
    Case(f"{CHECK}.healthyThreshold", 11, "must be at most 10"),
    Case(f"{CHECK}.unhealthyThreshold", 0, "must be at least 1"),
    Case(f"{CHECK}.unhealthyThreshold", 11, "must be at most 10"),
    Case(f"{CHECK}.expectedStatus", 99, "must be at least 100"),
    Case(f"{CHECK}.expectedStatus", 600, "must be at most 599"),
    Case(f"{CHECK}.headers", {"X-A": "a\nb"}, HEADER_VALUE_FORM, at=f"{CHECK}.headers.X-A"),
    Case(f"{CHECK}.headers", {"X-A": "a" * 4097}, "", at=f"{CHECK}.headers.X-A"),
    Case(f"{CHECK}.headers", dict.fromkeys("abcdefghijklmnopq", ""), "must have at most 16 items"),
    Case(f"{CHECK}.headersFrom[0].header", "X A", HEADER_NAME_FORM),
    Case(f"{SECRET}.name", "Probe", OBJECT_NAME_FORM),
    Case(f"{SECRET}.key", "", "must have at least 1 character"),
    Case("spec.tagSelectors", [], "must have at least 1 item"),
    Case("spec.tagSelectors", [ENV] * 17, "must have at most 16 items"),
    Case(f"{TAG}.key", ABSENT, "is required"),
    Case(f"{TAG}.key", "tag:env", messages.KEY_WITH_PREFIX),
    Case(f"{TAG}.key", "env_name", messages.KEY_RULE),
    Case(f"{TAG}.operator", ABSENT, "is required"),
    Case(f"{TAG}.operator", "Equals", messages.OPERATOR_RULE),
    Case(f"{TAG}.values", [True], messages.NOT_A_STRING, at=f"{TAG}.values[0]"),
    Case(f"{TAG}.values", ["a b"], messages.VALUE_RULE, at=f"{TAG}.values[0]"),
    Case(f"{TAG}.values", ["a"] * 65, messages.TOO_MANY_VALUES),
    Case(TAG, {"key": "env", "operator": "In"}, "operator In needs at least one value", "cel"),
    Case(
        TAG,
        {"key": "env", "operator": "NotIn", "values": []},
        "operator NotIn needs at least one value",
        "cel",
    ),
    Case(
        TAG,
        {"key": "env", "operator": "Exists", "values": ["a"]},
        "operator Exists takes no values",
        "cel",
    ),
    Case(
        TAG,
        {"key": "env", "operator": "DoesNotExist", "values": ["a"]},
        "operator DoesNotExist takes no values",
        "cel",
    ),
    Case("spec.tagSelectorTerms", [], "must have at least 1 item"),
    Case("spec.tagSelectorTerms", [{"matchTags": [ENV]}] * 17, "must have at most 16 items"),
    Case("spec.tagSelectorTerms[0].matchTags", ABSENT, "is required"),
    Case("spec.tagSelectorTerms[0].matchTags", [], "must have at least 1 item"),
    Case(f"{VIP}.name", "svc:web", DNS_LABEL_FORM),
    Case(f"{VIP}.port", 0, "must be at least 1"),
    Case(f"{VIP}.targetEndpoint", ABSENT, "is required"),
    Case("spec.serviceDiscovery.tags", ["k8s"], ACL_TAG_FORM, at="spec.serviceDiscovery.tags[0]"),
    Case("spec.serviceDiscovery.tags", ["tag:a"] * 2, "must not list a value twice", "set"),
    Case("spec.serviceDiscovery.sharePolicy", "None", "must be one of Exclusive, Shared"),
    Case(f"{PORT}.name", "HTTP", DNS_LABEL_FORM),
    Case(f"{PORT}.port", ABSENT, "is required"),
    Case("spec.discovery.addressFamilies", [], "must have at least 1 item"),
    Case("spec.discovery.addressFamilies", ["IPv4"] * 2, "must not list a value twice", "set"),
    Case("spec.discovery.removal.maxPercent", 0, "must be at least 1"),
    Case("spec.discovery.removal.maxPercent", 101, "must be at most 100"),
    Case("spec.discovery.removal.confirmations", 0, "must be at least 1"),
    Case("spec.discovery.removal.policy", "Never", "must be one of Confirm, Approve, Unguarded"),
    Case("spec.service.name", "api.company", SERVICE_NAME_FORM),
    Case("spec.service.name", "1api", SERVICE_NAME_FORM),
    Case("spec.service.type", "NodePort", "must be one of Headless, ClusterIP"),
]


def good_object() -> dict[str, Any]:
    """Return an object in which every field that a case changes is there, and right."""
    secret = {"name": "probe", "key": "token"}
    check = {"headersFrom": [{"header": "X-Key", "secretKeyRef": secret}]}
    return object_of(
        endpoints=[endpoint(healthCheck=check)],
        tagSelectors=[{"key": "env", "operator": "In", "values": ["production"]}],
        discovery={"ports": [{"name": "http", "port": 80}], "removal": {}},
        serviceDiscovery={"vipServices": [{"name": "web", "port": 80, "targetEndpoint": "api-1"}]},
        service={},
    )


def changed(good: dict[str, Any], case: Case) -> dict[str, Any]:
    """Put the case's value at its path, and what the other kind of selectors needs."""
    if case.path.startswith("spec.tagSelectorTerms"):
        del good["spec"]["tagSelectors"]
        good["spec"]["tagSelectorTerms"] = [{"matchTags": [ENV]}]
    *steps, last = [
        int(step) if step.isdigit() else step
        for step in case.path.replace("[", ".").replace("]", "").split(".")
    ]
    parent: Any = good
    for step in steps:
        parent = parent[step]
    if case.value is ABSENT:
        del parent[last]
    else:
        parent[last] = case.value
    return good
