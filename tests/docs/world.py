"""Where the guide is carried out: an API server, a simulated tailnet, and a reader's shell.

No kubelet runs here. What it would do with the Deployment of the chart, :class:`Pod` does with a
process: the chart's own arguments, configuration, credentials and ServiceAccount.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.cli.commands.conftest import environment
from tests.controlplane.processes import Process
from tests.controlplane.programs import client_program
from tests.controlplane.server import OwnControlPlane, start_controller_manager
from tests.security.objects import note_objects
from tests.security.transcripts import note

ROOT = Path(__file__).parents[2]
CHECKOUT = ("Makefile", "pyproject.toml", "requirements.lock", "helm", "examples", "fixtures")
MOUNTED = "/etc/tailnet-discovery"  # where the chart's pods find their files
NAMESPACE, NAME = "tailnet-discovery", "tailnet-discovery"
POD = {
    "metadata.namespace": NAMESPACE,
    "metadata.name": "tailnet-discovery-7d9c5b8f64-x2x7k",
    "metadata.uid": "c0ffee00-0000-4000-8000-000000000000",
}


_REFUSED = """
from discovery.diagnosis import routes


async def connect(address: str, port: int) -> None:
    raise ConnectionRefusedError


async def resolve(name: str) -> list[str]:
    raise OSError


routes.connect, routes.resolve = connect, resolve

from discovery.__main__ import main

main()
"""


class World:
    """A reader's machine, cluster and tailnet; ``ends`` stops what runs for them.

    The working folder looks like a checkout. The shell keeps what a command exports.
    """

    def __init__(self, folder: Path, ends: ExitStack) -> None:
        self._folder = folder
        self._ends = ends
        self._exports = folder / "exports"
        self._exports.touch()
        self.cwd = folder / "checkout"
        self.cwd.mkdir()
        for name in CHECKOUT:
            (self.cwd / name).symlink_to(ROOT / name)
        _virtual_environment(self.cwd / ".venv")
        self._pod: Pod | None = None
        self._poll_interval = "1s"
        self._server = OwnControlPlane(folder / "control-plane", os.getpid())
        programs = _programs(folder)
        ends.callback(self._server.kill)
        ends.callback(self._note)
        self._server.start()
        self._tailnet = Tailnet(ends, folder)
        self._env = environment(
            KUBECONFIG=str(self._server.kubeconfig()),
            HOME=str(folder),
            PATH=os.pathsep.join([str(programs), os.environ["PATH"]]),
        )

    def run(self, command: str) -> tuple[str, int]:
        """Run a command as a terminal shows it: everything printed, and the exit code."""
        script = f'. "$EXPORTS"\n{command}\ncode=$?; export -p >"$EXPORTS"; exit $code'
        done = subprocess.run(  # noqa: S603
            ["bash", "-c", script],  # noqa: S607
            cwd=self.cwd,
            env={**self._env, "EXPORTS": str(self._exports)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        note("output", done.stdout)
        return done.stdout, done.returncode

    def _note(self) -> None:
        """Note what the pods and the cluster have shown."""
        note_objects(self._server.api)
        if self._pod is not None:
            note("output", self._pod.process.log.read_text(errors="replace"))

    def act(self, name: str, argument: str) -> None:
        """Do what a comment of the page says."""
        acts = dict[str, Callable[..., None]](
            credentials=self._credentials,
            tag=self._tag,
            remove=self._remove,
            restore=self._restore,
            interval=self._interval,
            roll=self._roll,
            refresh=self._refresh,
            stop=self._stop,
        )
        acts[name](*argument.split())

    def _credentials(self) -> None:
        """Export what a reader gets from the admin console."""
        with self._exports.open("a") as file:
            file.writelines(f"export {k}={v}\n" for k, v in self._tailnet.credentials.items())

    def _roll(self) -> None:
        """Start the pods, or replace them, as a change of the Deployment does."""
        if self._pod is None:
            # Not before: its garbage collector looks for new kinds of objects every 30 s only.
            self._ends.callback(start_controller_manager(self._server, os.getpid()).kill)
        self._stop()
        self._pod = Pod(self._server, self._folder, self._tailnet.url, self._poll_interval)
        self._ends.callback(self._pod.process.kill)

    def _stop(self) -> None:
        """End the pods."""
        if self._pod is not None:
            self._pod.process.stop()

    def _refresh(self) -> None:
        """Bring a changed Secret into the pod's files, as the kubelet does in time."""
        assert self._pod is not None
        self._pod.write_volumes()

    def _tag(self, device: str, *tags: str) -> None:
        """Give a machine these tags and no other, as its owner does in the admin console."""
        self._tailnet.tag(device, list(tags))

    def _remove(self, *devices: str) -> None:
        """Remove machines from the tailnet, as their owner does in the admin console."""
        self._tailnet.remove(devices)

    def _restore(self) -> None:
        """Bring back every machine that was removed."""
        self._tailnet.restore()

    def _interval(self, interval: str) -> None:
        """Replace the pods by ones with this time between two lists, instead of a minute."""
        self._poll_interval = interval
        self._roll()


class Tailnet:
    """The simulator of the program, over the bundled fleet."""

    def __init__(self, ends: ExitStack, folder: Path) -> None:
        arguments = ["simulate", "--tailnet", "company.ts.net"]
        arguments += ["--devices", str(ROOT / "fixtures" / "tailnet" / "devices.json")]
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "discovery", *arguments],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        ends.enter_context(process)
        ends.callback(process.kill)
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        self._removed: list[Any] = []
        self.url: str = said["url"]
        self.credentials = {
            "TS_BASE_URL": self.url,
            "TS_API_CLIENT_ID": said["client_id"],
            "TS_API_CLIENT_SECRET": said["client_secret"],
        }

    def tag(self, device: str, tags: list[str]) -> None:
        (node,) = [d["nodeId"] for d in self._devices() if d["name"].partition(".")[0] == device]
        path = f"{self.url}/simulator/devices/{node}"
        httpx.patch(path, json={"tags": tags}, trust_env=False).raise_for_status()

    def remove(self, devices: Sequence[str]) -> None:
        """Remove them all at one time, so that no list shows some of them only."""
        listed = self._devices()
        self._removed += [d for d in listed if d["name"].partition(".")[0] in devices]
        self._put([device for device in listed if device not in self._removed])

    def restore(self) -> None:
        self._put(self._devices() + self._removed)
        self._removed = []

    def _devices(self) -> list[Any]:
        answer = httpx.get(f"{self.url}/simulator/devices", trust_env=False)
        devices: list[Any] = answer.raise_for_status().json()["devices"]
        return devices

    def _put(self, devices: list[Any]) -> None:
        path, body = f"{self.url}/simulator/devices", {"devices": devices}
        httpx.put(path, json=body, trust_env=False).raise_for_status()


class Pod:
    """The process that stands for the pods of the chart's Deployment, until it is stopped."""

    def __init__(
        self, server: OwnControlPlane, folder: Path, tailnet_url: str, interval: str
    ) -> None:
        self._server = server
        self._mounted = folder / "mounted"
        self.write_volumes()
        pod = self._get("/apis/apps/v1", "deployments", NAME)["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        arguments = [a.replace(MOUNTED, str(self._mounted)) for a in container["args"]]
        env = environment(
            **self._variables(container["env"]),
            KUBECONFIG=str(server.service_account(NAMESPACE, pod["serviceAccountName"])),
            # Not the chart's: where the tailnet is, ports that are free, and shorter waiting.
            TAILNET_DISCOVERY_RECORDER_DIRECTORY=str(folder / "recorder"),
            TAILNET_DISCOVERY_TAILNETS_0_BASE_URL=tailnet_url,
            TAILNET_DISCOVERY_TAILNETS_0_POLL_INTERVAL=interval,
            TAILNET_DISCOVERY_LISTEN_HEALTH="127.0.0.1:0",
            TAILNET_DISCOVERY_LISTEN_METRICS="127.0.0.1:0",
        )
        spelled = [f"{name}={value}" for name, value in env.items()]
        program = ["-i", *spelled, sys.executable, "-m", "discovery", *arguments]
        self.process = Process(Path("/usr/bin/env"), program, folder / "pod.log", os.getpid())

    def write_volumes(self) -> None:
        """Write the ConfigMap and the Secret to where the container finds them."""
        oauth = self._mounted / "oauth"
        oauth.mkdir(parents=True, exist_ok=True)
        text = self._get("/api/v1", "configmaps", NAME)["data"]["config.yaml"]
        path = self._mounted / "config.yaml"
        path.write_text(text.replace(MOUNTED, str(self._mounted)))
        secret = self._get("/api/v1", "secrets", f"{NAME}-oauth")["data"]
        for name, value in secret.items():
            (oauth / name).write_bytes(base64.b64decode(value))

    def _variables(self, asked: list[dict[str, Any]]) -> dict[str, str]:
        """Return the container's variables, those of the downward API too."""
        return {
            one["name"]: POD[one["valueFrom"]["fieldRef"]["fieldPath"]]
            if "valueFrom" in one
            else one["value"].replace(MOUNTED, str(self._mounted))
            for one in asked
        }

    def _get(self, group: str, plural: str, name: str) -> Any:
        answer = self._server.api.get(f"{group}/namespaces/{NAMESPACE}/{plural}/{name}")
        return answer.raise_for_status().json()


def _programs(folder: Path) -> Path:
    """Return a folder with the programs that a reader has beside the checkout's own."""
    path = folder / "bin"
    path.mkdir()
    for name in ("kubectl", "helm"):
        (path / name).symlink_to(client_program(name))
    return path


def _virtual_environment(path: Path) -> None:
    """Make what ``make run`` would make, of the environment that the tests run in.

    Its program connects to no machine of a tailnet: ``doctor`` is refused by each.
    """
    folder = path / "bin"
    folder.mkdir(parents=True)
    program = folder / "tailnet-discovery"
    program.write_text(f"#!{sys.executable}\n{_REFUSED}")
    program.chmod(0o755)
    (path / "runtime").touch()
