"""Web ACLs, load balancers, certificates, and what a VPC has."""

from __future__ import annotations

from typing import Any

from tests.cloudformation.registry import Delete, Properties, Resource, call, register


def _ip_set(waf: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = call(waf, "create_ip_set", properties, Name=name)["Summary"]
    return f"{name}|{made['Id']}|{properties['Scope']}", {"Arn": made["ARN"]}


def _update_ip_set(waf: Any, resource: Resource, properties: Properties) -> None:
    """Writes the addresses of the template, as CloudFormation does for a set that changes."""
    name, set_id, scope = resource.physical_resource_id.split("|")
    token = waf.get_ip_set(Name=name, Id=set_id, Scope=scope)["LockToken"]
    addresses = properties["Addresses"]
    waf.update_ip_set(Name=name, Id=set_id, Scope=scope, Addresses=addresses, LockToken=token)


def _web_acl(waf: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = call(waf, "create_web_acl", properties, Name=name)["Summary"]
    return f"{name}|{made['Id']}|{properties['Scope']}", {"Arn": made["ARN"]}


def _association(waf: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    arn, acl = properties["ResourceArn"], properties["WebACLArn"]
    waf.associate_web_acl(WebACLArn=acl, ResourceArn=arn)
    return arn, {}


def _delete_in_waf(kind: str) -> Delete:
    def delete(waf: Any, resource: str, _: Any) -> None:
        name, its_id, scope = resource.split("|")
        token = getattr(waf, f"get_{kind}")(Name=name, Id=its_id, Scope=scope)["LockToken"]
        getattr(waf, f"delete_{kind}")(Name=name, Id=its_id, Scope=scope, LockToken=token)

    return delete


def _certificate(acm: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    asked = {"DomainName": properties["DomainName"], "ValidationMethod": "DNS"}
    return acm.request_certificate(**asked)["CertificateArn"], {}


def _load_balancer(elb: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    attributes = properties.pop("LoadBalancerAttributes")
    (made,) = call(elb, "create_load_balancer", properties, Name=name[-32:])["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    return arn, {
        "LoadBalancerFullName": arn.partition("loadbalancer/")[2],
        "DNSName": made["DNSName"],
        "CanonicalHostedZoneID": made["CanonicalHostedZoneId"],
    }


def _update_load_balancer(elb: Any, balancer: Resource, properties: Properties) -> None:
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer.physical_resource_id,
        Attributes=properties["LoadBalancerAttributes"],
    )


def _target_group(elb: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    attributes = properties.pop("TargetGroupAttributes")
    (made,) = call(elb, "create_target_group", properties, Name=name[-32:])["TargetGroups"]
    arn = made["TargetGroupArn"]
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
    return arn, {"TargetGroupFullName": arn.rpartition(":")[2]}


def _route_table(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return ec2.create_route_table(**properties)["RouteTable"]["RouteTableId"], {}


def _delete_route_table(ec2: Any, table: str, _: Any) -> None:
    """Deletes a table after the endpoints that use it: moto has no order, and tries again."""
    for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]:
        assert endpoint["State"] == "deleted" or table not in endpoint["RouteTableIds"]
    ec2.delete_route_table(RouteTableId=table)


def _address(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = ec2.allocate_address(**properties)
    return made["PublicIp"], {"AllocationId": made["AllocationId"]}


def _nat_gateway(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return ec2.create_nat_gateway(**properties)["NatGateway"]["NatGatewayId"], {}


def _endpoint(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return ec2.create_vpc_endpoint(**properties)["VpcEndpoint"]["VpcEndpointId"], {}


register("AWS::WAFv2::IPSet", "wafv2", _ip_set, _update_ip_set, _delete_in_waf("ip_set"), ("Arn",))
register("AWS::WAFv2::WebACL", "wafv2", _web_acl, None, _delete_in_waf("web_acl"), ("Arn",))
register(
    "AWS::WAFv2::WebACLAssociation",
    "wafv2",
    _association,
    delete=lambda waf, arn, _: waf.disassociate_web_acl(ResourceArn=arn),
)
register("AWS::CertificateManager::Certificate", "acm", _certificate)
register(  # moto's lacks attributes
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "elbv2",
    _load_balancer,
    _update_load_balancer,
    lambda elb, arn, _: elb.delete_load_balancer(LoadBalancerArn=arn),
    ("LoadBalancerFullName", "DNSName", "CanonicalHostedZoneID"),
)
register(  # moto's has no attributes
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "elbv2",
    _target_group,
    delete=lambda elb, arn, _: elb.delete_target_group(TargetGroupArn=arn),
    attributes=("TargetGroupFullName",),
)
register(  # moto does not delete its own with a stack
    "AWS::EC2::RouteTable",
    "ec2",
    _route_table,
    delete=_delete_route_table,
)
register(
    "AWS::EC2::EIP",
    "ec2",
    _address,
    delete=lambda ec2, ip, _: [
        ec2.release_address(AllocationId=one["AllocationId"])
        for one in ec2.describe_addresses(PublicIps=[ip])["Addresses"]
    ],
    attributes=("AllocationId",),
)
register(
    "AWS::EC2::NatGateway",
    "ec2",
    _nat_gateway,
    delete=lambda ec2, gateway, _: ec2.delete_nat_gateway(NatGatewayId=gateway),
)
register(
    "AWS::EC2::VPCEndpoint",
    "ec2",
    _endpoint,
    delete=lambda ec2, endpoint, _: ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint]),
)
