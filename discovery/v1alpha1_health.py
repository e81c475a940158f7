"""Health checks of TailscaleEndpoints v1alpha1."""

from datetime import timedelta

from pydantic import Field

from discovery.v1alpha1_fields import (
    Duration,
    Flag,
    HeaderName,
    HeaderValue,
    HealthCheckType,
    HTTPPath,
    HTTPStatus,
    Model,
    ObjectName,
    Text,
    Threshold,
)

__all__ = ["HeaderFrom", "HealthCheck", "HealthCheckType", "SecretKeyRef"]


class SecretKeyRef(Model):
    """One key of a Secret in the resource's namespace."""

    name: ObjectName = Field(
        description="Name of the Secret. It needs the label "
        'gateway.tailscale.com/probe-headers: "true".'
    )
    key: Text = Field(min_length=1, description="Key within the Secret.")


class HeaderFrom(Model):
    """A header of the health check whose value is secret."""

    header: HeaderName = Field(description="Name of the header, for example Authorization.")
    secret_key_ref: SecretKeyRef = Field(
        alias="secretKeyRef", description="Where the value is: a key of a Secret."
    )


class HealthCheck(Model):
    """How the health of an endpoint is found out; the defaults hold where a check is present."""

    enabled: Flag = Field(default=False, description="Whether the check runs.")
    type: HealthCheckType = Field(
        HealthCheckType.HTTP,
        description="HTTP expects expectedStatus, over TLS where the endpoint's protocol is HTTPS "
        "or TLS. TCP and TLS connect. UDP expects an answer. gRPC expects SERVING of the gRPC "
        "health protocol, as HTTP does where the endpoint's protocol is gRPC.",
    )
    path: HTTPPath = Field(
        "/", description="Path of HTTP checks, for example /health; at most 1024 characters."
    )
    interval: Duration = Field(
        timedelta(seconds=30),
        description="Time between checks, 1s to 1h, for example 30s or 1m30s.",
    )
    timeout: Duration = Field(
        timedelta(seconds=10),
        description="How long a check may take, 1s to 1h. Longer than the interval counts as the "
        "interval.",
    )
    healthy_threshold: Threshold = Field(
        2,
        alias="healthyThreshold",
        description="Consecutive passes that make an endpoint healthy, 1-10.",
    )
    unhealthy_threshold: Threshold = Field(
        3,
        alias="unhealthyThreshold",
        description="Consecutive failures that make an endpoint unhealthy, 1-10.",
    )
    expected_status: HTTPStatus = Field(
        200, alias="expectedStatus", description="The HTTP status that passes, 100-599."
    )
    headers: dict[str, HeaderValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Headers of HTTP and gRPC checks. Anybody who may read the resource can read "
        "them: credentials belong into headersFrom.",
    )
    headers_from: tuple[HeaderFrom, ...] = Field(
        (),
        alias="headersFrom",
        max_length=16,
        description="Headers whose values come from Secrets.",
    )

    @property
    def time_limit(self) -> timedelta:
        """How long an attempt may really take: the timeout, clamped to the interval."""
        return min(self.timeout, self.interval)
