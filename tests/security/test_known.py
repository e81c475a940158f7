"""The simulator's secrets are those that the search knows."""

from discovery.simulator.clock import Clock
from discovery.simulator.credentials import Credentials
from discovery.simulator.webhooks import Webhooks
from tests.security.known import KNOWN


def test_the_credentials_of_a_simulator_are_known() -> None:
    held = Credentials(Clock())
    assert {held.api_key, held.client_secret, held.identity_token} <= set(KNOWN.values())


def test_a_token_of_a_simulator_begins_as_known() -> None:
    held = Credentials(Clock())
    form = {"client_id": held.client_id, "client_secret": held.client_secret}
    issued = held.token("", form)["access_token"]
    assert issued.startswith(KNOWN["a token of the simulator"])


def test_a_webhook_secret_of_a_simulator_begins_as_known() -> None:
    made = Webhooks(Clock()).create({"subscriptions": [], "endpointUrl": "http://127.0.0.1/"})
    assert made["secret"].startswith(KNOWN["a webhook secret of the simulator"])
