"""Metrics in CloudWatch's embedded metric format.

CloudWatch Logs makes metrics of such a line, and needs neither an agent nor a permission for it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings

logger = logging.getLogger("threatreaction.metrics")

NAMESPACE = "ThreatReaction"


def log(values: Mapping[str, float], at: datetime, *, units: Mapping[str, str]) -> None:
    """Logs a line with the metrics, whose units are given by name."""
    definition = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Deployment"]],
        "Metrics": [{"Name": name, "Unit": units[name]} for name in values],
    }
    line = {
        "_aws": {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [definition]},
        "Deployment": settings.DEPLOYMENT,
        **{name: float(value) for name, value in values.items()},
    }
    logger.info("%s", json.dumps(line))
