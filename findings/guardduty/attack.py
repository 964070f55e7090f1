"""The ATT&CK tactic of a finding type, which its threat purpose names. Pure: no Django.

"CredentialAccess:IAMUser/AnomalousBehavior" has the threat purpose CredentialAccess.
"""

from __future__ import annotations

from collections.abc import Mapping

# In the order of the ATT&CK matrix, with their IDs. ATT&CK 19 names TA0005 "Stealth"; GuardDuty
# and most rules still say "Defense Evasion".
TACTICS: Mapping[str, str] = {
    "Reconnaissance": "TA0043",
    "Resource Development": "TA0042",
    "Initial Access": "TA0001",
    "Execution": "TA0002",
    "Persistence": "TA0003",
    "Privilege Escalation": "TA0004",
    "Defense Evasion": "TA0005",
    "Defense Impairment": "TA0112",
    "Credential Access": "TA0006",
    "Discovery": "TA0007",
    "Lateral Movement": "TA0008",
    "Collection": "TA0009",
    "Command and Control": "TA0011",
    "Exfiltration": "TA0010",
    "Impact": "TA0040",
}

# Purposes that are not the name of a tactic. AttackSequence, Behavior, Object, PenTest and Policy
# have no tactic: the signals of a sequence have their own, and the others do not tell one.
_PURPOSES = {
    "recon": "Reconnaissance",
    "unauthorizedaccess": "Initial Access",
    "stealth": "Defense Evasion",
    "backdoor": "Command and Control",
    "trojan": "Command and Control",
    "cryptocurrency": "Impact",  # T1496, Resource Hijacking
}
# Our own detectors have one purpose in all, and name the tactic after it.
_OF_DETECTORS = {
    "S3Data/Exfiltration": "Exfiltration",
    "IAMCredential/UnauthorizedUse": "Initial Access",
    "Ransomware/Write": "Impact",
    "Ransomware/Delete": "Impact",
    "Ransomware/Enumeration": "Discovery",
}
_TACTICS = {name.replace(" ", "").casefold(): name for name in TACTICS} | _PURPOSES


def tactic_of(finding_type: str) -> str:
    """Returns the tactic of a finding type, a key of TACTICS; "" if its purpose names none."""
    purpose, _, rest = finding_type.partition(":")
    if purpose == "ThreatReaction":
        return _OF_DETECTORS.get(rest, "")
    return _TACTICS.get(purpose.strip().casefold(), "")


def tactic_named(text: str) -> str:
    """Returns the tactic that the text names, such as "CREDENTIAL_ACCESS"; "" if it names none."""
    folded = text.replace(" ", "").replace("_", "").replace("-", "").casefold()
    return _TACTICS.get(folded, "")
