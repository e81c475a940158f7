"""Webhook endpoints, and the signed requests that Tailscale sends to them.

Nothing leaves the machine: an endpoint whose host is not a loopback address is refused.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from discovery.simulator.clock import Clock
from discovery.simulator.refusals import JSONObject, bad_request, not_found

SIGNATURE_HEADER: Final = "Tailscale-Webhook-Signature"
TEST_EVENT: Final = "test"

_TIMEOUT: Final = 2.0  # seconds: a receiver that hangs must not hold up the end of a test


@dataclass(frozen=True, slots=True)
class Webhook:
    """One endpoint. ``secret`` is served once, when the endpoint is created."""

    identity: str
    url: str
    subscriptions: tuple[str, ...]
    created: str
    secret: str

    def body(self) -> JSONObject:
        """Return the endpoint as the API serves it, without its secret."""
        return {
            "endpointId": self.identity,
            "endpointUrl": self.url,
            "creatorLoginName": "",
            "created": self.created,
            "lastModified": self.created,
            "subscriptions": list(self.subscriptions),
        }


class Webhooks:
    """The endpoints of a tailnet, and the sender of events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._endpoints: dict[str, Webhook] = {}
        self._created = 0

    def listed(self) -> JSONObject:
        """Answer the list of endpoints."""
        return {"webhooks": [one.body() for one in self._endpoints.values()]}

    def get(self, identity: str) -> Webhook:
        """Return one endpoint; 404 where there is none."""
        try:
            return self._endpoints[identity]
        except KeyError:
            raise not_found() from None

    def create(self, body: Any) -> JSONObject:
        """Store an endpoint and answer it with its secret."""
        if not isinstance(body, dict) or not isinstance(body.get("subscriptions"), list):
            raise bad_request()
        url = str(body.get("endpointUrl", ""))
        if not is_loopback(urlsplit(url).hostname or ""):
            raise bad_request(f'endpointUrl "{url}" is not on loopback: nothing leaves the machine')
        self._created += 1
        one = Webhook(
            identity=str(1000 + self._created),
            url=url,
            subscriptions=tuple(str(name) for name in body["subscriptions"]),
            created=self._clock.text(),
            secret=f"tskey-webhook-kHOOK{self._created:06d}CNTRL-0000000000000000demo",
        )
        self._endpoints[one.identity] = one
        return {**one.body(), "secret": one.secret}

    def delete(self, identity: str) -> None:
        """Remove an endpoint; 404 where there is none."""
        self.get(identity)
        del self._endpoints[identity]

    def event(self, tailnet: str, kind: str, message: str = "", details: Any = None) -> JSONObject:
        """Return an event as Tailscale writes it."""
        return {
            "timestamp": self._clock.text(),
            "version": 1,
            "type": kind,
            "tailnet": tailnet,
            "message": message,
            "data": details,
        }

    async def send(
        self, events: Sequence[JSONObject], *, signed_at: int | None = None
    ) -> list[JSONObject]:
        """Send events to every endpoint that subscribes to them, and return what each answered.

        ``signed_at`` is the time in the signature, in seconds since 1970; None is now. A status of
        None means that the endpoint could not be reached.
        """
        deliveries: list[JSONObject] = []
        for endpoint in list(self._endpoints.values()):
            wanted = [one for one in events if one["type"] in (*endpoint.subscriptions, TEST_EVENT)]
            if wanted:
                status = await self.deliver(endpoint, wanted, signed_at=signed_at)
                deliveries.append({"endpointId": endpoint.identity, "status": status})
        return deliveries

    async def deliver(
        self, endpoint: Webhook, events: Sequence[JSONObject], *, signed_at: int | None = None
    ) -> int | None:
        """Post events to one endpoint, and return its status; None where it was not reached."""
        content = json.dumps(events).encode()
        seconds = int(self._clock.now()) if signed_at is None else signed_at
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: f"t={seconds},v1={signature(endpoint.secret, seconds, content)}",
        }
        # Without proxies and redirects, either of which could lead off the machine.
        async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT) as client:
            try:
                answer = await client.post(endpoint.url, content=content, headers=headers)
            except httpx.HTTPError:
                return None
        return answer.status_code


def signature(secret: str, seconds: int, content: bytes) -> str:
    """Return the hex HMAC-SHA256 of ``<seconds>.<body>`` (Tailscale's published scheme)."""
    return hmac.new(secret.encode(), f"{seconds}.".encode() + content, hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: ``localhost``, or a loopback address written out."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
