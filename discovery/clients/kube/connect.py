"""A connection to the cluster that a kubeconfig names, or that this process runs in.

``kubernetes.aio`` reads the configuration, gets the credentials (exec, OIDC, token files) and
builds the TLS context. It is imported when a connection is made: that takes most of a second.
"""

import os
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from discovery.clients.kube import kubeconfig as files
from discovery.clients.kube.client import QUIET, KubeClient, OnRequest
from discovery.clients.kube.credential import Load, ReloadedCredential
from discovery.clients.kube.session import open_session
from discovery.clients.kube.transport import Transport
from discovery.clients.retrying import Patience
from discovery.settings.errors import ConfigError, problem

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts token, ca.crt and namespace of a pod's service account."""

_T = TypeVar("_T")

_ADVICE: Final = "Try kubectl with the same kubeconfig and context, or correct what they name."


@dataclass(frozen=True, slots=True)
class _Access:
    """How a cluster is reached, as ``kubernetes.aio`` has read it."""

    configuration: "Configuration"
    load: Load
    namespace: str
    where: str


@asynccontextmanager
async def connect(
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    on_request: OnRequest | None = None,
    patience: Patience | None = None,
    quiet: float = QUIET,
    service_account: Path = SERVICE_ACCOUNT,
) -> AsyncIterator[KubeClient]:
    """Give a client of one cluster, and close its connections at the end. Sends nothing by itself.

    ``patience``, ``quiet`` and ``on_request`` are those of KubeClient.
    Without arguments it is the cluster of KUBECONFIG, of ``~/.kube/config`` where that exists, or
    the one that this process is a pod of. Raises ConfigError where there is none, or it can not be
    used.
    """
    paths = files.found(kubeconfig)
    if paths or context is not None:
        access = await _from_files(paths, context)
    else:
        access = await _in_cluster(service_account)
    configuration = access.configuration
    async with open_session(_tls(access)) as session:
        patience = patience or Patience()
        credential = ReloadedCredential(
            _token(configuration), access.load, access.where, patience.monotonic
        )
        transport = Transport(session, configuration.host, credential, _options(configuration))
        yield KubeClient(
            transport,
            namespace=access.namespace,
            patience=patience,
            quiet=quiet,
            on_request=on_request,
        )


async def _from_files(paths: tuple[Path, ...], context: str | None) -> _Access:
    chosen = files.read(paths, context)

    from kubernetes.aio.client import Configuration  # noqa: PLC0415 - slow
    from kubernetes.aio.config import load_kube_config  # noqa: PLC0415

    configuration = Configuration()
    joined = os.pathsep.join(str(path) for path in paths)

    async def from_the_start() -> Any:
        return await load_kube_config(
            config_file=joined,
            context=chosen.context,
            client_configuration=configuration,
            persist_config=False,
        )

    loader = await _checked(from_the_start(), chosen.where)
    if "exec" in chosen.user and _token(configuration) is None and not configuration.cert_file:
        text = "the credential plugin of the kubeconfig gave no credential"
        advice = "Run its command by hand, or log in again."
        raise ConfigError(problem(text, chosen.where, advice))

    async def load(*, new: bool) -> str | None:
        nonlocal loader
        if new:
            loader = await from_the_start()
        elif "exec" not in chosen.user or hasattr(loader, "exec_plugin_expiry"):
            # A plugin that names no expiry is asked again only when the server refuses.
            await loader.load_and_set(configuration)
        return _token(configuration)

    configuration.proxy = configuration.proxy or _proxy(configuration.host)
    return _Access(configuration, load, chosen.namespace, chosen.where)


async def _in_cluster(folder: Path) -> _Access:
    if not os.environ.get("KUBERNETES_SERVICE_HOST"):
        text = "there is no cluster to connect to"
        where = "no kubeconfig was found, and this is no pod"
        advice = "Name a kubeconfig with --kubeconfig or KUBECONFIG."
        raise ConfigError(problem(text, where, advice))

    from kubernetes.aio.client import Configuration  # noqa: PLC0415 - slow
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader  # noqa: PLC0415

    configuration = Configuration()

    async def load(*, new: bool) -> str | None:  # noqa: ARG001 - the file is read each time
        InClusterConfigLoader(
            token_filename=str(folder / "token"),
            cert_filename=str(folder / "ca.crt"),
            try_refresh_token=False,
        ).load_and_set(configuration)
        return _token(configuration)

    await _checked(load(new=True), str(folder))
    try:
        namespace = (folder / "namespace").read_text().strip()
    except OSError:
        namespace = ""
    return _Access(configuration, load, namespace or "default", str(folder))


async def _checked(loading: Awaitable[_T], where: str) -> _T:
    """Return what is loaded; what the library raises becomes one line that quotes none of it."""
    try:
        return await loading
    except Exception as exc:
        text = "the credentials of the cluster can not be read"
        if isinstance(exc, OSError) and exc.filename:
            text = f"{text}: {exc.strerror}: {exc.filename}"
        raise ConfigError(problem(text, where, _ADVICE)) from exc


def _tls(access: _Access) -> ssl.SSLContext:
    """Return the TLS context; it belongs to the loop's process for good: building one is slow."""
    from kubernetes.aio.client.rest import RESTClientObject  # noqa: PLC0415 - slow

    # The certificates of many clusters' own authorities lack what strict RFC 5280 wants of them
    # (Python 3.13 began to), and kubectl accepts them.
    access.configuration.disable_strict_ssl_verification = True
    try:
        context: ssl.SSLContext = RESTClientObject(access.configuration).ssl_context
    except (OSError, ValueError) as exc:
        text = "the certificates of the cluster can not be used"
        raise ConfigError(problem(text, access.where, _ADVICE)) from exc
    return context


def _token(configuration: "Configuration") -> str | None:
    # The library leaves the line break of a token file at the end.
    value = configuration.api_key.get("BearerToken")
    return None if value is None else str(value).strip()


def _options(configuration: "Configuration") -> dict[str, Any]:
    options = {"proxy": configuration.proxy, "server_hostname": configuration.tls_server_name}
    return {name: value for name, value in options.items() if value}


def _proxy(server: str) -> str | None:
    """Return the proxy that the environment names for ``server``; none for this machine's own.

    aiohttp's own reading of the environment would take credentials from ``~/.netrc`` as well.
    """
    url = urlsplit(server)
    host = url.hostname or ""
    try:
        is_local = ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    return None if is_local or proxy_bypass(host) else getproxies().get(url.scheme)
