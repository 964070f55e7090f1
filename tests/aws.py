"""AWS for tests: moto's server over HTTP, behind a proxy that injects failures."""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import requests
from botocore.client import ClientCreator
from moto import backends
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.test import Client

from actions import members
from tests.beyond_moto import BeyondMoto, Request, operation_of

# Sessions share the descriptions of the services; to read that of EC2 takes 0.2 seconds. Clients
# share the methods that are made of them.
botocore.session.create_loader = functools.cache(botocore.loaders.create_loader)
_make_methods = ClientCreator._create_methods
_methods: dict[str, dict[str, Any]] = {}


def _shared_methods(creator: Any, model: Any) -> dict[str, Any]:
    if model.service_name not in _methods:
        _methods[model.service_name] = _make_methods(creator, model)
    return dict(_methods[model.service_name])


ClientCreator._create_methods = _shared_methods
# moto lists its folder for each request, and makes a thousand images for each account and region.
_modules = list(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: _modules
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

REGION = "eu-central-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass
class Fault:
    """An error that the proxy injects for an operation."""

    operation: str  # such as "UpdateIPSet"; for S3, the method
    code: str  # the AWS error code; "": no response
    status: int
    times: int
    after: bool = False  # whether the operation succeeds before the error


@dataclass
class Cloud:
    """An empty AWS account, 123456789012."""

    url: str
    moto_url: str
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # the requested operations, in order
    over: threading.Event = field(default_factory=threading.Event)
    more: BeyondMoto = field(default_factory=BeyondMoto)
    credentials: dict[str, str] = field(default_factory=dict)  # of another account
    clients: dict[str, Any] = field(default_factory=dict, init=False)  # by service

    @property
    def environment(self) -> dict[str, str]:
        """Returns the environment variables that point a process to it."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}

    def fail(self, operation: str, code: str, *, status: int = 400, times: int = 100) -> None:
        """Respond to the next `times` requests for the operation with an error."""
        self.faults.append(Fault(operation, code, status, times))

    def hang(self, operation: str, *, after: bool = False) -> None:
        """Do not respond to the operation; with `after`, carry it out before."""
        self.faults.append(Fault(operation, "", 0, 100, after))

    def wait_for(self, operation: str, *, times: int = 1) -> None:
        """Waits until the operation was called that many times."""
        deadline = time.monotonic() + 30
        while self.asked.count(operation) < times:
            assert time.monotonic() < deadline, self.asked
            time.sleep(0.02)

    def reset(self) -> None:
        """Resets everything."""
        self.mend()
        self.asked.clear()
        self.more = BeyondMoto()
        requests.post(f"{self.moto_url}/moto-api/reset", timeout=10).raise_for_status()

    def mend(self) -> None:
        """Remove all faults, and close the connections of hanging operations."""
        self.faults.clear()
        self.over.set()
        self.over = threading.Event()

    def client(self, service: str) -> Any:
        """Return a boto3 client of this account."""
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, endpoint_url=self.url, region_name=REGION, **self.credentials
            )
        return self.clients[service]

    def in_account(self, account_id: str, external_id: str) -> Cloud:
        """Returns another account of the same cloud, which has the role for containment."""
        given = self.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{account_id}:role/{members.ROLE}",
            RoleSessionName="test",
            ExternalId=external_id,
        )["Credentials"]
        credentials = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        return replace(self, credentials=credentials)

    def role_in(self, account_id: str, name: str) -> None:
        """Creates a role in an account, without HTTP."""
        backend = iam_backends[account_id]["aws"]
        backend.create_role(name, "{}", "/", None, "", [], None)

    def give_each_interface_its_own_groups(self, instance_id: str) -> None:
        """As in AWS: moto adds the groups of the instance to those of each network interface."""
        backend = ec2_backends["123456789012"][REGION]
        backend.get_instance(instance_id).security_groups = []

    def role_policy(self, account_id: str, name: str) -> Any:
        """Returns the policy that denies a role's older sessions, or None. Without HTTP."""
        role = iam_backends[account_id]["aws"].get_role(name)
        document = role.policies.get("AWSRevokeOlderSessions")
        return document and json.loads(document)

    def ip_set(self, name: str, *, version: int = 4) -> str:
        """Creates an IP set and returns its ARN."""
        made = self.client("wafv2").create_ip_set(
            Name=name, Scope="REGIONAL", IPAddressVersion=f"IPV{version}", Addresses=[]
        )
        return str(made["Summary"]["ARN"])

    def set_addresses(self, arn: str, addresses: Collection[str]) -> None:
        """Sets the addresses of an IP set, as a person or a stack update does."""
        name, ip_set_id = arn.split("/")[-2:]
        which = {"Name": name, "Scope": "REGIONAL", "Id": ip_set_id}
        waf = self.client("wafv2")
        token = waf.get_ip_set(**which)["LockToken"]
        waf.update_ip_set(**which, Addresses=sorted(addresses), LockToken=token)

    def addresses(self, arn: str) -> set[str]:
        """Return the addresses in an IP set, in CIDR notation."""
        name, ip_set_id = arn.split("/")[-2:]
        answer = self.client("wafv2").get_ip_set(Name=name, Scope="REGIONAL", Id=ip_set_id)
        return set(answer["IPSet"]["Addresses"])

    def prefix_list(self, *, version: int = 4, limit: int = 1000) -> str:
        """Creates a prefix list with room for `limit` entries, and returns its ARN."""
        made = self.client("ec2").create_managed_prefix_list(
            PrefixListName="blocked", AddressFamily=f"IPv{version}", MaxEntries=limit
        )
        return str(made["PrefixList"]["PrefixListArn"])

    def add_prefix(self, arn: str, cidr: str) -> None:
        """Adds an entry to a prefix list, as a person does."""
        ec2, which = self.client("ec2"), arn.partition("/")[2]
        (about,) = ec2.describe_managed_prefix_lists(PrefixListIds=[which])["PrefixLists"]
        ec2.modify_managed_prefix_list(
            PrefixListId=which, CurrentVersion=about["Version"], AddEntries=[{"Cidr": cidr}]
        )

    def prefixes(self, arn: str) -> set[str]:
        """Returns the CIDRs in a prefix list."""
        ec2, which = self.client("ec2"), arn.partition("/")[2]
        answer = ec2.get_managed_prefix_list_entries(PrefixListId=which)
        return {entry["Cidr"] for entry in answer.get("Entries", ())}

    def domain_list(self) -> str:
        """Creates a DNS Firewall domain list, and returns its ARN."""
        self.more.domain_lists["rslvr-fdl-1"] = set()
        return f"arn:aws:route53resolver:{REGION}:123456789012:firewall-domain-list/rslvr-fdl-1"

    def queue(self, **attributes: str) -> str:
        """Create an SQS queue and return its URL."""
        made = self.client("sqs").create_queue(QueueName="findings", Attributes=attributes)
        return f"{self.url}/{made['QueueUrl'].partition('://')[2].partition('/')[2]}"

    def topic_with_queue(self, **attributes: str) -> tuple[str, str]:
        """Creates a topic with a subscribed queue. Returns the topic's ARN and the queue's URL."""
        name = "notices.fifo" if attributes else "notices"
        topic = self.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
        fifo = {"FifoQueue": "true"} if attributes else {}
        queue = self.client("sqs").create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:123456789012:{name}"
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return topic, queue

    def messages(self, queue: str) -> list[Any]:
        """Returns the messages that the topic has sent to its queue."""
        found = []
        while (
            got := self.client("sqs")
            .receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=600)
            .get("Messages")
        ):
            found += [json.loads(json.loads(one["Body"])["Message"]) for one in got]
        return found


def _operation(handler: BaseHTTPRequestHandler, body: bytes) -> str:
    target = handler.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    action = re.search(rb"(?:^|&)Action=(\w+)", body)
    return action[1].decode() if action else operation_of(handler.command, handler.path)


def _proxy(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    # The application of moto's server, without HTTP: the proxy speaks it already.
    moto = Client(DomainDispatcherApplication(create_backend_app), use_cookies=False)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # avoids a delay of 40 ms for each response

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            operation = _operation(self, body)
            asked = Request(self.command, self.path, body, operation)
            over = cloud.over
            fault = next((one for one in cloud.faults if one.operation == operation), None)
            if fault and fault.after:
                answer = self._carry_out(asked)
            cloud.asked.append(operation)
            if fault is None:
                answer = self._carry_out(asked)
            if fault and fault.times > 0:
                fault.times -= 1
                if not fault.code:
                    over.wait(60)
                    self.close_connection = True
                else:
                    self._send(fault.status, *_error(self, asked, fault.code))
                return
            if fault:
                answer = self._carry_out(asked)
            status, kind, content, headers = answer
            self._send(status, kind, content, **headers)

        def _carry_out(self, asked: Request) -> tuple[int, str, bytes, dict[str, str]]:
            if refused := cloud.more.refusal(asked, cloud.moto_url):
                return refused[0], *_error(self, asked, refused[1]), {}
            if known := cloud.more.answer(asked):
                return known[0], "application/json", json.dumps(known[1]).encode(), {}
            answer = moto.open(
                self.path,
                method=self.command,
                data=asked.body,
                headers=[(name, value) for name, value in self.headers.items() if name != "Host"],
                base_url=cloud.moto_url,
            )
            headers = {name: value for name, value in answer.headers.items() if name == "ETag"}
            return answer.status_code, answer.headers["Content-Type"], answer.data, headers

        def _send(self, status: int, kind: str, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in ({"Content-Type": kind} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer

        def log_message(self, *said: Any) -> None:
            pass

    return Proxy


def _error(handler: BaseHTTPRequestHandler, asked: Request, code: str) -> tuple[str, bytes]:
    """Returns the error in the service's format."""
    if "X-Amz-Target" in handler.headers or asked.is_rest_json:
        return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": "no"}).encode()
    said = f"<Code>{code}</Code><Message>no</Message>"
    if b"Version=2016-11-15" in asked.body:  # EC2
        return "text/xml", f"<Response><Errors><Error>{said}</Error></Errors></Response>".encode()
    inside = said if handler.command == "PUT" else f"<Error>{said}</Error>"
    root = "Error" if handler.command == "PUT" else "ErrorResponse"
    return "text/xml", f"<{root}>{inside}</{root}>".encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *about: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # the client was killed
            super().handle_error(*about)


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Start moto and the proxy, and yield the account."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs each request
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    made = Cloud("", f"http://{host}:{port}")
    proxy = _Server(("127.0.0.1", 0), _proxy(made))
    made.url = f"http://127.0.0.1:{proxy.server_address[1]}"
    thread = threading.Thread(target=proxy.serve_forever, args=[0.05])
    thread.start()
    try:
        yield made
    finally:
        made.mend()
        proxy.shutdown()
        proxy.server_close()
        thread.join()
        moto.stop()
