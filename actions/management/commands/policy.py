"""The command `policy`: the threat policy as a file."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from accounts.api_auth import Caller
from actions.explanation import explain
from actions.wishes import Rules
from findings import plan, policy, policy_file, policy_fixtures
from findings.guardduty.files import read_findings
from findings.models import PolicyChange, ThreatPolicy
from findings.policy import Policy
from findings.policy_file import InvalidFile
from findings.schemas import PolicyUpdate
from license import status
from problems.yaml_body import MAX_BYTES
from serving.answers import AnsweringCommand

_CHANGES = 2  # the exit status of a plan that would change something


class Command(AnsweringCommand):
    """Keeps the threat policy in a file."""

    help = (
        "Exports, plans, applies, explains and tests the threat policy as a YAML file. Exit status:"
        " 0 done, and a plan would change nothing; 1 an error, also of the command line, a refusal"
        " of the license, or a failed test; 2 a plan would change something."
    )

    failed = 1

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

        export = verbs.add_parser("export", help="print the policy, or write it into a file")
        export.add_argument(
            "file",
            nargs="?",
            metavar="FILE",
            help="the file; if it exists, its comments and order are kept",
        )

        planned = verbs.add_parser("plan", help="show what a file would change")
        planned.add_argument("file", metavar="FILE", help='the file, or "-" for standard input')

        applied = verbs.add_parser("apply", help="change the policy as a file says")
        applied.add_argument("file", metavar="FILE", help='the file, or "-" for standard input')
        applied.add_argument(
            "--if-match", metavar="ETAG", help="only if the policy is this version"
        )
        applied.add_argument(
            "--by",
            default="manage.py policy",
            metavar="NAME",
            help="the name in the log of changes",
        )

        explained = verbs.add_parser("explain", help="say which rule applies to a finding, and why")
        explained.add_argument("file", metavar="FINDING", help="a JSON file with findings")

        tested = verbs.add_parser("test", help="compare the policy with expected actions")
        tested.add_argument("file", metavar="FIXTURES", help="a YAML file of tests")
        for verb in (explained, tested):
            verb.add_argument(
                "--against", metavar="FILE", help="use this policy file, not the stored policy"
            )

    def handle(self, *, verb: str, file: str | None, **options: Any) -> None:
        try:
            match verb:
                case "export":
                    self._export(file)
                case "plan":
                    self._plan(str(file))
                case "apply":
                    self._apply(str(file), if_match=options["if_match"], by=options["by"])
                case "explain":
                    self._explain(str(file), against=options["against"])
                case _:
                    self._test(Path(str(file)), against=options["against"])
        except InvalidFile as error:
            raise CommandError(f"{error}\nNothing was changed.") from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from None

    def _export(self, name: str | None) -> None:
        settings = ThreatPolicy.objects.actions()
        if name is None:
            self.stdout.write(policy_file.dump(settings), ending="")
            return
        path = Path(name).resolve()
        if path.exists() and not path.is_file():  # it would be replaced, also a device
            msg = f"{name}: It is not a file."
            raise CommandError(msg)
        if path.exists():
            text = policy_file.rewritten(_read(name), settings, name=name)
        else:
            text = policy_file.dump(settings)
        _write(path, text)
        self.stdout.write(f"{name}: {_times(len(settings), 'rule')}.")

    def _plan(self, name: str) -> None:
        found = plan.plan(_load(name), at=timezone.now())
        for line in found.lines():
            self.stdout.write(line)
        self.stdout.write(f"The version of the policy is {found.etag}.")
        if found.changes:
            self.answer(_CHANGES)

    def _apply(self, name: str, *, if_match: str | None, by: str) -> None:
        update = _load(name)
        if not by.isprintable() or not 0 < len(by.strip()) <= 200:
            raise CommandError("--by is a name of 1 to 200 printable characters.")
        licensed = status.current()
        if not licensed.allows_writes:
            msg = (
                f"{licensed.code}: The policy was not changed. {licensed.reason} {licensed.remedy}"
            )
            raise CommandError(msg)
        try:
            done = policy.set_policies(
                update.settings(),
                replace=update.replace,
                by=Caller(name=by.strip()),
                source=PolicyChange.Source.COMMAND,
                at=timezone.now(),
                if_match=None if if_match is None else [_etag(if_match)],
            )
        except policy.StalePolicy as stale:
            msg = f"stale_policy: {stale} Nothing was changed. Plan it again."
            raise CommandError(msg) from None
        for change in done.changed:
            self.stdout.write(plan.as_text(change))
        changed = _times(len(done.changed), "rule")
        self.stdout.write(f"{changed} changed. The version of the policy is {done.etag}.")

    def _explain(self, name: str, *, against: str | None) -> None:
        settings, rules = _policy(against), Rules.now()
        is_first = True
        with _opened(name) as stream:
            for found in read_findings(stream):
                if not is_first:
                    self.stdout.write("")
                is_first = False
                for line in explain(found.finding, settings, rules=rules, at=timezone.now()):
                    # A finding must not control the terminal.
                    self.stdout.write("".join(c if c.isprintable() else "\ufffd" for c in line))
        if is_first:
            msg = f"{name}: It contains no finding."
            raise CommandError(msg)

    def _test(self, path: Path, *, against: str | None) -> None:
        fixtures = policy_fixtures.load(_read(str(path)), name=str(path))
        if against is None and fixtures.against is not None:
            against = str(path.parent / fixtures.against)
        results = list(policy_fixtures.run(fixtures, _policy(against), folder=path.parent))
        for result in results:
            outcome = f"FAILED  {result.title}: {result.problem}"
            self.stdout.write(outcome if result.problem else f"ok      {result.title}")
        failed = sum(bool(result.problem) for result in results)
        if failed:
            raise CommandError(f"{failed} of {_times(len(results), 'test')} failed.")
        self.stdout.write(f"{_times(len(results), 'test')} passed.")


def _policy(against: str | None) -> Policy:
    """Returns the stored policy, or what it would be with a file applied."""
    if against is None:
        return ThreatPolicy.objects.actions()
    update = _load(against)
    saved = {} if update.replace else ThreatPolicy.objects.actions()
    return policy.with_settings(saved, update.settings())


def _load(name: str) -> PolicyUpdate:
    return policy_file.load(_read(name), name=name)


def _read(name: str) -> bytes:
    """Returns the beginning of a file: one byte more than is allowed, so that it is refused."""
    with _opened(name) as stream:
        return stream.read(MAX_BYTES + 1)


def _opened(name: str) -> io.BufferedReader:
    return cast(io.BufferedReader, sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def _write(path: Path, text: str) -> None:
    """Writes a file whole or not at all, with the permissions that it had."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
        if path.exists():
            shutil.copymode(path, temporary)
        else:
            Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _etag(text: str) -> str:
    """Returns an entity tag with its quotation marks, which shells take away."""
    return f'"{text.strip().strip(chr(34))}"'


def _times(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
