"""A running API server as a test sees it: its address, and credentials of anybody."""

import ssl
import time
from contextlib import suppress
from pathlib import Path

import httpx
import yaml

from tests.controlplane.processes import POLL
from tests.security.transcripts import secret

CRD = Path(__file__).parents[2] / "docs" / "crds" / "tailscaleendpoints.yaml"
USERS = {"admin": "system:masters", "nobody": ""}  # name: group; their tokens are token-of-NAME
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP_PATH = "/apis/gateway.tailscale.com/v1alpha1"
ENDPOINTS_PATH = f"{GROUP_PATH}/tailscaleendpoints"
_FIRST = {
    "apiVersion": "gateway.tailscale.com/v1alpha1",
    "kind": "TailscaleEndpoints",
    "metadata": {"name": "first"},
    "spec": {"tailnet": "company.ts.net", "endpoints": []},
}


class ControlPlane:
    """An API server, and what it takes to be one of its clients.

    ``folder`` holds its certificates, its address and the kubeconfigs made here. What it says
    itself is in kube-apiserver.log there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.admin_token = "token-of-admin"
        self._api: httpx.Client | None = None

    @property
    def url(self) -> str:
        """The address of the API server, such as https://127.0.0.1:21234."""
        return (self.folder / "url").read_text()

    @property
    def api(self) -> httpx.Client:
        """A client of the API server that may do everything."""
        if self._api is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(self.ca)
            self._api = httpx.Client(
                base_url=self.url,
                verify=context,
                headers={"Authorization": f"Bearer {self.admin_token}"},
                timeout=30,
                trust_env=False,
            )
        return self._api

    def kubeconfig(self, user: str = "admin", namespace: str = "default") -> Path:
        """Return a kubeconfig of "admin", or of "nobody", who may do nothing."""
        return self.write_kubeconfig(user, f"token-of-{user}", namespace)

    def service_account(self, namespace: str, name: str) -> Path:
        """Return a kubeconfig of this ServiceAccount, which is made if it is not there yet."""
        token = self.service_account_token(namespace, name)
        return self.write_kubeconfig(f"{namespace}.{name}", token, namespace)

    def service_account_token(self, namespace: str, name: str) -> str:
        """Return a token of this ServiceAccount that is good for an hour."""
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        made = self.api.post(accounts, json={"metadata": {"name": name}})
        assert made.status_code in {201, 409}, made.text
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = self.api.post(f"{accounts}/{name}/token", json=asked).raise_for_status()
        token: str = answer.json()["status"]["token"]
        return secret(f"the API server's token of {name}", token)

    def write_kubeconfig(self, user: str, token: str, namespace: str, url: str = "") -> Path:
        """Write a kubeconfig of one context; ``url``: instead of the API server's own address."""
        secret(f"the API server's token of {user}", token)
        server = url or self.url
        path = self.folder / f"{user}.{namespace}.{server.rpartition(':')[2]}.kubeconfig"
        cluster = {"server": server, "certificate-authority": str(self.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [
                {
                    "name": "tests",
                    "context": {"cluster": "tests", "user": user, "namespace": namespace},
                }
            ],
            "current-context": "tests",
        }
        unfinished = path.with_suffix(f".{time.monotonic_ns()}")
        unfinished.write_text(yaml.safe_dump(config, sort_keys=False))
        return unfinished.replace(path)  # other workers read it meanwhile

    def is_ready(self) -> bool:
        """Tell whether the API server is ready and the namespaces that tests use are there."""
        paths = ("/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system")
        with suppress(httpx.TransportError):
            return all(self.api.get(path).is_success for path in paths)
        return False

    def install_crd(self, text: str = "") -> None:
        """Apply the CRD that is checked in, or another; return when its objects are served."""
        applied = self.api.patch(
            f"{CRD_PATH}/tailscaleendpoints.gateway.tailscale.com",
            params={"fieldManager": "tests", "fieldValidation": "Strict"},
            content=text or CRD.read_text(),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        assert applied.is_success, applied.text
        end = time.monotonic() + 30
        while not self.api.get(ENDPOINTS_PATH).is_success:
            assert time.monotonic() < end, "the CRD was accepted, but is not served"
            time.sleep(POLL)
        # The first object waits 2 s, in which other API servers would learn of the CRD.
        first = f"{GROUP_PATH}/namespaces/default/tailscaleendpoints"
        self.api.post(first, params={"dryRun": "All"}, json=_FIRST).raise_for_status()

    def close(self) -> None:
        """Close the connections of this view; the server runs on."""
        if self._api is not None:
            self._api.close()
            self._api = None
