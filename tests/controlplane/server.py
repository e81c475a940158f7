"""A real etcd and kube-apiserver on loopback, and kube-controller-manager for them."""

import json
from pathlib import Path

from tests.controlplane.access import USERS, ControlPlane
from tests.controlplane.certificates import make_certificates
from tests.controlplane.processes import NotStartedError, Process, free_port
from tests.controlplane.programs import control_plane_program

ATTEMPTS = 5  # a free port may be taken by another run before it is used
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "endpointslice-controller",
)


class OwnControlPlane(ControlPlane):
    """A control plane whose servers the holder may stop, kill and start again.

    Its calls block; an event loop under test waits for them in ``asyncio.to_thread``. The address
    and what is stored stay the same across restarts.
    """

    def __init__(self, folder: Path, watched_pid: int) -> None:
        super().__init__(folder)
        self._watched_pid = watched_pid
        self._running: dict[str, Process] = {}
        self._programs = {name: control_plane_program(name) for name in ("etcd", "kube-apiserver")}
        folder.mkdir(parents=True, exist_ok=True)
        make_certificates(folder)
        lines = [f'token-of-{name},{name},{name},"{group}"' for name, group in USERS.items()]
        (folder / "tokens.csv").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start what does not run; return when the API server is ready."""
        if (self.folder / "url").exists():
            self._start_at(json.loads((self.folder / "ports").read_text()))
            return
        for attempt in range(1, ATTEMPTS + 1):
            ports = {name: free_port() for name in ("etcd", "peer", "api")}
            (self.folder / "ports").write_text(json.dumps(ports))
            (self.folder / "url").write_text(f"https://127.0.0.1:{ports['api']}")
            try:
                self._start_at(ports)
            except NotStartedError:
                self.kill()
                (self.folder / "url").unlink()
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop the API server, then etcd, in order."""
        for process in self._taken():
            process.stop()

    def kill(self) -> None:
        """End both without a word to their clients."""
        for process in self._taken():
            process.kill()

    def _taken(self) -> list[Process]:
        """Return what runs, the API server first, and forget it."""
        self.close()
        running = [self._running[name] for name in sorted(self._running, reverse=True)]
        self._running.clear()
        return running

    def _start_at(self, ports: dict[str, int]) -> None:
        flags = {
            "etcd": _etcd_flags(self.folder, ports),
            "kube-apiserver": _apiserver_flags(self.folder, ports),
        }
        for name, program in self._programs.items():
            if name not in self._running:
                log = self.folder / f"{name}.log"
                self._running[name] = Process(
                    program, _spelled(flags[name]), log, self._watched_pid
                )
        self._running["kube-apiserver"].wait_until(self.is_ready)


def start_controller_manager(server: ControlPlane, watched_pid: int) -> Process:
    """Start kube-controller-manager, which collects garbage and ends namespaces; some 4 s.

    It is ready when it has given a ServiceAccount to a namespace, which its controllers do last.
    """
    kubeconfig = str(server.kubeconfig())
    flags = {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "controllers": ",".join(CONTROLLERS),
        "leader-elect": "false",
        "secure-port": "0",
    }
    program = control_plane_program("kube-controller-manager")
    log = server.folder / "kube-controller-manager.log"
    process = Process(program, _spelled(flags), log, watched_pid)
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    process.wait_until(lambda: server.api.get(path).is_success)
    return process


def _etcd_flags(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    clients = f"http://127.0.0.1:{ports['etcd']}"
    peers = f"http://127.0.0.1:{ports['peer']}"
    return {
        "data-dir": str(folder / "etcd"),
        "unsafe-no-fsync": "true",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
        "log-level": "warn",
    }


def _apiserver_flags(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    """Return flags with RBAC on, and with the check that blockOwnerDeletion needs its right."""
    key = str(folder / "service-accounts.key")
    return {
        "etcd-servers": f"http://127.0.0.1:{ports['etcd']}",
        "bind-address": "127.0.0.1",
        "secure-port": str(ports["api"]),
        "tls-cert-file": str(folder / "server.crt"),
        "tls-private-key-file": str(folder / "server.key"),
        "token-auth-file": str(folder / "tokens.csv"),
        "authorization-mode": "RBAC",
        "enable-admission-plugins": "OwnerReferencesPermissionEnforcement",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "service-cluster-ip-range": "10.96.0.0/16",
        "endpoint-reconciler-type": "none",  # the others refuse to advertise loopback
        "profiling": "false",
    }


def _spelled(flags: dict[str, str]) -> list[str]:
    return [f"--{flag}={value}" for flag, value in flags.items()]
