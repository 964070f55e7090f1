"""gunicorn and the load balancer of the template fit together."""

from __future__ import annotations

import runpy

from tests.cloudformation.templates import template
from tests.server import ROOT


def test_the_load_balancer_closes_idle_connections_first() -> None:
    """Else it would respond with 502 to a request on a connection that gunicorn just closed."""
    resources = template("threatreaction.yaml")["Resources"]
    attributes = resources["LoadBalancer"]["Properties"]["LoadBalancerAttributes"]
    named = {one["Key"]: one["Value"] for one in attributes if "Key" in one}
    idle = int(named.get("idle_timeout.timeout_seconds", 60))  # the default of an ALB
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["keepalive"] > idle
