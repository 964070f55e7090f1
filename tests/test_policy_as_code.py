"""The GitHub Actions workflow in docs/policy-as-code.md, run step by step against a server."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from license.tests import keys
from tests.databases import CLIENT_ID, CLIENT_SECRET
from tests.server import ROOT, Server

FILE = """\
replace: true
policies:
  - {service: EC2, severity: HIGH, action: SIMULATE_BLOCK}
"""


@pytest.fixture
def steps() -> dict[str, str]:
    """The shell commands of the workflow in the document, by the name of the step."""
    text = (ROOT / "docs/policy-as-code.md").read_text()
    [workflow] = [one for one in re.findall(r"```yaml\n(.*?)\n```\n", text, re.S) if "jobs:" in one]
    found = yaml.safe_load(workflow)["jobs"]["policy"]["steps"]
    return {step["name"]: step["run"] for step in found if "run" in step}


def test_a_pull_request_plans_and_a_merge_applies(
    server: Server, tmp_path: Path, steps: dict[str, str]
) -> None:
    summary = tmp_path / "summary.md"

    def run(step: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", steps[step]],
            cwd=tmp_path,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "PORTAL_URL": server.url,
                "CLIENT_ID": CLIENT_ID,
                "CLIENT_SECRET": CLIENT_SECRET,
                "RUNNER_TEMP": str(tmp_path),
                "GITHUB_STEP_SUMMARY": str(summary),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    policy = tmp_path / "policy.yaml"
    policy.write_text(FILE)
    planned = run("Plan")  # unlicensed
    assert planned.returncode == 0, planned.stderr
    assert "+ EC2, HIGH: SIMULATE_BLOCK" in summary.read_text()
    refused = run("Apply")
    assert refused.returncode != 0
    assert "license_missing" in refused.stdout
    server.install(keys.make_license())
    assert run("Apply").returncode == 0
    bearer = {"Authorization": f"Bearer {server.access_token()}"}
    assert "SIMULATE_BLOCK" in server.request("GET", "/findings?format=yaml", headers=bearer).text
    again = run("Apply")  # of the same plan: the policy has changed since
    assert again.returncode != 0
    assert "stale_policy" in again.stdout
    assert "Nothing would change." in run("Plan").stdout
    assert run("Apply").returncode == 0
    policy.write_text("policies:\n  - {service: EC2, action: DESTROY}\n")
    wrong = run("Plan")
    assert wrong.returncode == 1
    assert "/policies/0/action" in wrong.stdout
    for text in (planned.stdout, planned.stderr, wrong.stdout):
        assert CLIENT_SECRET not in text
