"""Every fix, proven: applied to each failing example as an overlay and evaluated again, it closes what it claims."""

import json
import re
from collections import Counter

import pytest
import tree_sitter
import tree_sitter_bicep

from scanner.fix.sample_commands import commands_of
from scanner.fix.set_commands import PATCHED
from scanner.fix.write_only import KEPT, LOST
from scanner.model.fix import RANGE
from scanner.model.ids import type_of
from scanner.model.rule import Rule
from tests.rules import examples
from tests.rules.each import each_rule
from tests.rules.proof import proof
from tests.rules.simulate import LEFT, READS, by_rule, everything, fix_of, left, problems

TOGETHER = examples.TOGETHER

STEPS = {
    "acr-platform-key": "chosen when a registry is created",
    "acr-single-region": "which region is the user's choice",
    "ai-deployment-outside": "the type is chosen when a deployment is created",
    "aks-flux-cluster-scope": "chosen when a configuration is created",
    "aks-flux-plain-source": "the address is the user's choice",
    "aks-host-encryption-disabled": "chosen when a node pool is created",
    "aks-kubernetes-rbac-disabled": "chosen when a cluster is created",
    "aks-no-node-limit": "limits are in Kubernetes",
    "aks-node-public-ip": "chosen when a node pool is created",
    "aks-platform-key": "chosen when a cluster is created",
    "aks-single-zone": "chosen when a pool is created",
    "aks-unsupported-version": "which version is the user's choice",
    "aks-workspace-outside": "another workspace is the user's choice",
    "apim-api-key-only": "a policy is a document that only the user knows",
    "apim-backend-old-tls": "a protocol is a key with dots of customProperties, which az does not set",
    "apim-backend-plain-http": "the back end needs a certificate first",
    "apim-certificate-expires": "the certificate is the user's",
    "apim-gateway-outside": "a region is removed with its units",
    "apim-named-value-outside-vault": "the vault and the role are the user's choice",
    "apim-old-tls": "a protocol is a key with dots of customProperties, which az does not set",
    "apim-platform-retired": "a migration that may need a new subnet",
    "apim-single-zone": "which zones is the user's choice",
    "apim-triple-des": "a cipher is a key with dots of customProperties, which az does not set",
    "app-environment-external": "chosen when an environment is created",
    "app-environment-single-zone": "chosen when an environment is created",
    "app-insights-workspace-outside": "another workspace is the user's choice",
    "app-no-health-check": "the path is the app's own",
    "app-no-managed-identity": "which roles it needs is the user's choice",
    "app-unsupported-runtime": "which version is the user's choice",
    "appconfig-short-retention": "chosen when a store is created",
    "appconfig-single-region": "which region is the user's choice",
    "application-gateway-plain-http": "a redirect and its rule: two objects whose names only the user knows",
    "arc-cluster-not-connected": "agents are started in the cluster",
    "arc-flux-cluster-scope": "chosen when a configuration is created",
    "arc-flux-plain-source": "the address is the user's choice",
    "arc-machine-any-extension": "set on the machine itself",
    "arc-machine-guest-configuration-off": "set on the machine itself",
    "arc-machine-incoming-connections": "set on the machine itself",
    "arc-machine-not-connected": "the agent is started on the machine",
    "automation-no-managed-identity": "which roles it needs is the user's choice",
    "automation-platform-key": "an identity needs the key first",
    "automation-variable-plain": "chosen when a variable is created",
    "automation-webhook-long-lived": "the new URL goes to the callers",
    "backup-instance-stopped": "the state of a backup is not a setting",
    "backup-policy-short-retention": "a policy of a Backup vault is replaced by another",
    "backup-vault-geo-copy-outside": "chosen when a vault is created",
    "backup-vault-locally-redundant": "chosen when a vault is created",
    "backup-vault-no-resource-guard": "the Resource Guard is made by its owner",
    "backup-vault-replica-outside": "chosen when a vault is created",
    "batch-platform-key": "an identity needs the key first",
    "batch-pool-port-open": "chosen when a pool is created",
    "batch-pool-public-addresses": "chosen when a pool is created",
    "bot-insecure-site": "the origins are the user's choice",
    "bot-multi-tenant": "chosen when a bot is created",
    "bot-plain-endpoint": "the address is the user's choice",
    "bot-platform-key": "the service needs the key first",
    "cassandra-data-center-outside": "which data center is the user's choice",
    "cassandra-platform-key": "chosen when a data center is created",
    "cassandra-single-zone": "chosen when a data center is created",
    "cdn-domain-no-https": "the certificate is issued by the service",
    "citus-backup-not-geo-redundant": "chosen when a cluster is created",
    "citus-backup-outside": "chosen when a cluster is created",
    "citus-platform-key": "chosen when a cluster is created",
    "communication-data-outside": "chosen when a resource is created",
    "container-environment-single-zone": "chosen when an environment is created",
    "container-group-network-unrestricted": "a public address of a container group has no firewall",
    "container-group-platform-key": "chosen when a container group is created",
    "container-group-shared-credentials": "a public address of a container group has no firewall",
    "container-group-web-port-anonymous": "a public address of a container group has no firewall",
    "container-java-dashboard-unrestricted": "the environment decides",
    "cosmos-gateway-network-unrestricted": "its clients move first, then it is deleted",
    "cosmos-no-throughput-limit": "the limit is the user's choice",
    "cosmos-single-region": "which region is the user's choice",
    "cosmos-single-zone": "chosen when a region is added",
    "data-collection-endpoint-replica-outside": "the endpoint follows its workspace",
    "data-collection-rule-network-unrestricted": "an endpoint of a rule has no network settings",
    "databricks-managed-network": "chosen when a workspace is created",
    "databricks-platform-key": "the service needs the key first",
    "databricks-single-encryption": "chosen when a workspace is created",
    "databricks-storage-firewall-off": "an access connector comes first",
    "datafactory-platform-key": "an identity needs the key first",
    "datafactory-runtime-outside": "chosen when a runtime is created",
    "datafactory-runtime-outside-network": "the new runtime's private endpoints are the user's choice",
    "datashare-external-receiver": "a receiver is revoked by a POST of the share",
    "defender-no-agentless-scanning": "a command sets all extensions of a plan",
    "defender-no-file-integrity-monitoring": "a command sets all extensions of a plan",
    "defender-no-image-scanning": "a command sets all extensions of a plan",
    "defender-no-kubernetes-discovery": "a command sets all extensions of a plan",
    "deployment-script-outside-network": "the subnet is the user's choice",
    "devops-pool-open-access": "which pipelines is the user's choice",
    "devops-pool-shared-network": "the subnet is the user's choice",
    "devops-pool-stateful-agents": "the profile has more values, which are the user's choice",
    "dicom-external-authority": "the authority follows from the tenant of the service",
    "dicom-external-store": "chosen when a service is created",
    "dicom-platform-key": "an identity needs the key first",
    "disk-set-single-encryption": "chosen when a set is created",
    "durable-task-single-zone": "how many units is the user's choice",
    "elastic-san-no-authentication": "iSCSI has no sign-in",
    "elastic-san-platform-key": "which key is the user's choice",
    "elastic-san-single-zone": "chosen when a SAN is created",
    "email-service-data-outside": "chosen when a resource is created",
    "eventgrid-dead-letter-outside": "the destination is the user's choice",
    "eventgrid-namespace-single-zone": "chosen when a namespace is created",
    "eventgrid-subscription-outside": "the destination is the user's choice",
    "eventgrid-system-dead-letter-outside": "another account is the user's choice",
    "eventgrid-system-subscription-outside": "another destination is the user's choice",
    "eventhub-platform-key": "an identity needs the key first",
    "eventhub-single-encryption": "chosen with the first key",
    "fhir-platform-key": "an identity needs the key first",
    "file-share-no-authentication": "NFS has no sign-in",
    "file-share-single-zone": "chosen when a share is created",
    "file-sync-account-key": "servers need an agent and an identity first",
    "flow-log-of-security-group": "a flow log of the network takes its place, and is a new resource",
    "flow-log-target-outside": "another account is the user's choice",
    "foundry-agents-no-network": "chosen when an account is created",
    "foundry-connection-foreign-target": "who made the connection and why is the user's to find out",
    "foundry-connection-plain-http": "the service needs HTTPS first",
    "foundry-connection-shared-key": "writing a connection back loses its credential",
    "foundry-connection-stored-key": "a role on the service comes first",
    "foundry-project-connection-foreign-target": "who made the connection and why is the user's to find out",
    "foundry-project-connection-plain-http": "the service needs HTTPS first",
    "foundry-project-connection-shared-key": "writing a connection back loses its credential",
    "foundry-project-connection-stored-key": "a role on the service comes first",
    "foundry-weak-content-filter": "which filters is the user's choice",
    "front-door-classic-plain-http": "a redirect is a new routing rule",
    "front-door-classic-plain-origin": "which rules is the user's choice",
    "front-door-classic-worldwide": "no setting limits edge locations",
    "front-door-waf-excludes-all": "the name is the user's choice",
    "front-door-waf-group-disabled": "which rules is the user's choice",
    "front-door-waf-old-rule-set": "the old rule set is replaced by name",
    "front-door-worldwide": "no setting limits edge locations",
    "grafana-single-zone": "chosen when a workspace is created",
    "hdinsight-application-anonymous": "chosen when an application is installed",
    "hdinsight-host-unencrypted": "chosen when a cluster is created",
    "hdinsight-local-accounts": "chosen when a cluster is created",
    "hdinsight-network-unrestricted": "which networks keep access is the user's choice",
    "hdinsight-plain-node-traffic": "chosen when a cluster is created",
    "hdinsight-platform-key": "chosen when a cluster is created",
    "iot-dps-certificate-expires": "the certificate is the user's",
    "iot-dps-hub-outside": "which hub is the user's choice",
    "iot-dps-pair-outside": "chosen when a service is created",
    "iot-hub-certificate-expires": "the certificate is the user's",
    "iot-hub-external-destination": "an endpoint is removed after its routes",
    "iot-hub-pair-outside": "chosen when a hub is created",
    "iot-hub-routing-keys": "a role at each place comes first",
    "unused-keys-expire": "whether an application needs a key is not known: it is renewed or disabled",
    "keyvault-key-missing": "a deleted key is recovered in the data plane",
    "keyvault-pair-outside": "the replica cannot be turned off",
    "keyvault-secret-expires": "the new value is the user's",
    "keyvault-short-retention": "chosen when a vault is created",
    "kusto-platform-key": "an identity needs the key first",
    "kusto-single-encryption": "chosen when a cluster is created",
    "kusto-single-zone": "which zones is the user's choice",
    "load-balancer-basic-sku": "a migration by Microsoft's module",
    "logic-workflow-contents-unrestricted": "the ranges are the user's, and a PUT needs the whole definition",
    "logic-workflow-history-shows-inputs": "the definition is the user's",
    "machine-host-encryption-disabled": "the machine must be stopped first",
    "machine-no-entra-login": "an identity and a role come first",
    "machine-no-trusted-launch": "the machine must be stopped first",
    "machine-not-backed-up": "the item is made by the vault",
    "machine-password-sign-in": "set on the machine itself",
    "machine-platform-key": "each disk is changed by itself",
    "machine-shared-credentials": "what a machine accepts is not a setting of Azure",
    "managed-application-publisher-rights": "the offer of the publisher decides",
    "managed-hsm-key-missing": "a deleted key is recovered in the data plane",
    "managed-hsm-replica-outside": "the name of the region stands only in words",
    "managed-hsm-short-retention": "chosen when a managed HSM is created",
    "ml-batch-endpoint-keys": "chosen when an endpoint is created",
    "ml-compute-local-auth": "chosen when a compute is created",
    "ml-compute-outside": "chosen when a compute is created",
    "ml-compute-public-address": "chosen when a compute is created",
    "ml-compute-ssh-open": "chosen when a compute is created",
    "ml-connection-foreign-target": "who made the connection and why is the user's to find out",
    "ml-connection-plain-http": "the service needs HTTPS first",
    "ml-connection-shared-key": "writing a connection back loses its credential",
    "ml-connection-stored-key": "a role on the service comes first",
    "ml-datastore-stored-key": "a role on the storage account comes first",
    "ml-deployment-public-egress": "chosen when a deployment is created",
    "ml-instance-no-idle-shutdown": "set in the studio: Azure Resource Manager has an operation of its own for it",
    "ml-instance-old-image": "an instance is made again",
    "ml-instance-shared-applications": "chosen when an instance is created",
    "ml-online-endpoint-keys": "chosen when an endpoint is created",
    "ml-online-endpoint-plain-http": "the cluster needs a certificate first",
    "ml-registry-anonymous-storage": "the accounts are resources of their own",
    "ml-registry-replica-outside": "chosen when a registry is created",
    "ml-serverless-endpoint-keys": "chosen when an endpoint is created",
    "ml-workspace-diagnostic-data": "chosen when a workspace is created",
    "ml-workspace-platform-key": "chosen when a workspace is created",
    "grafana-mail-unverified": "Azure does not return the password that is written with it",
    "grafana-mail-without-tls": "Azure does not return the password that is written with it",
    "mongo-vcore-platform-key": "chosen when a cluster is created",
    "netapp-domain-no-aes": "a list entry with a password",
    "netapp-domain-plain-ldap": "a list entry with a password",
    "netapp-platform-key": "which key is the user's choice",
    "netapp-replica-outside": "the replica is a volume of its own",
    "netapp-root-for-everyone": "which rules is the user's choice",
    "netapp-volume-no-copy": "a policy is a resource of its own",
    "netapp-volume-open-export": "which clients is the user's choice",
    "notificationhubs-single-zone": "chosen when a namespace is created",
    "nsg-deny-without-effect": "which of the two rules is wrong is the user's choice",
    "openshift-api-server-network-unrestricted": "chosen when a cluster is created",
    "openshift-ingress-public": "chosen when a cluster is created",
    "openshift-master-host-encryption-disabled": "chosen when a cluster is created",
    "openshift-platform-key": "chosen when a cluster is created",
    "openshift-worker-host-encryption-disabled": "chosen when a cluster is created",
    "p2s-vpn-shared-credentials": "tenant and audience are the user's choice",
    "postgres-backup-not-geo-redundant": "chosen when a server is created",
    "postgres-backup-outside": "chosen when a server is created",
    "postgres-platform-key": "chosen when a server is created",
    "recovery-item-failing": "the state of a backup is not a setting",
    "recovery-item-stopped": "the state of a backup is not a setting",
    "recovery-policy-short-retention": "`az backup policy set` takes the whole policy",
    "recovery-vault-geo-copy-outside": "fixed from the first backup on",
    "recovery-vault-locally-redundant": "fixed from the first backup on",
    "redis-enterprise-replica-outside": "unlinking names both databases",
    "relay-hybrid-connection-anonymous": "chosen when a hybrid connection is created",
    "relay-wcf-anonymous": "chosen when a relay is created",
    "relay-wcf-plain-transport": "chosen when a relay is created",
    "scale-set-plain-health-probe": "the program must answer over HTTPS first",
    "service-fabric-managed-network-unrestricted": "which networks keep access is the user's choice",
    "service-fabric-managed-node-public-ip": "chosen when a node type is created",
    "service-fabric-managed-single-zone": "node types are migrated one by one",
    "service-fabric-no-entra": "the applications are made first",
    "service-fabric-plain-node-traffic": "the settings are a list of sections, of which the user has others",
    "service-fabric-unsecured": "chosen when a cluster is created",
    "servicebus-platform-key": "an identity needs the key first",
    "servicebus-single-encryption": "chosen with the first key",
    "session-pool-network-unrestricted": "a session pool has no network settings",
    "signalr-upstream-without-identity": "which identity is the user's choice",
    "site-recovery-failing": "the cause is in its errors",
    "site-recovery-outside": "replication is disabled and enabled again in the vault",
    "sql-no-vulnerability-assessment": "Microsoft Defender for SQL is turned on first",
    "synapse-no-vulnerability-assessment": "Microsoft Defender for SQL is turned on first",
    "sre-agent-acts-alone": "writing an agent back loses the credentials that Azure does not return",
    "sre-agent-network-unrestricted": "an agent has no network settings",
    "scale-set-no-entra-login": "the extension depends on the operating system",
    "static-site-no-password": "the password is the user's choice",
    "static-site-preview-no-password": "the password is the user's choice",
    "storage-blobs-not-backed-up": "the instance is made by the vault",
    "storage-old-keys": "each key is renewed in turn",
    "storage-queue-table-platform-key": "chosen when an account is created",
    "storage-share-not-backed-up": "the item is made by the vault",
    "storage-single-encryption": "chosen when an account is created",
    "storage-single-region": "which redundancy depends on the one that it has",
    "storage-single-zone": "which redundancy depends on the one that it has",
    "subnet-data-outbound-unrestricted": "the destinations are the user's choice",
    "subscription-no-anomaly-alert": "the recipient is the user's choice",
    "subscription-no-budget": "amount and recipient are the user's choice",
    "synapse-exfiltration-unprotected": "chosen when a workspace is created",
    "synapse-no-managed-network": "chosen when a workspace is created",
    "synapse-platform-key": "chosen when a workspace is created",
    "synapse-runtime-outside": "chosen when a runtime is created",
    "dns-record-dangling": "another subscription may have the host, so that no command deletes the record",
    "traffic-manager-target-missing": "which endpoint is the user's choice",
    "vpn-gateway-weak-client-ipsec": "a list entry with values that the clients must have",
    "vpn-server-weak-ipsec": "a list entry with values that the clients must have",
    "vpn-site-ikev1": "both sides change at once",
    "vpn-site-weak-ipsec": "both sides change at once",
    "waf-policy-excludes-all": "the name is the user's choice",
    "waf-policy-group-disabled": "which rules is the user's choice",
    "waf-policy-old-rule-set": "the old rule set is replaced by name",
    "webpubsub-handler-without-identity": "which identity is the user's choice",
}
"""Rules whose fix is steps in words on every example, or changes nothing that Azure shows, and why."""
REGIONS = {rule.id for rule in examples.all_rules() if rule.finder is not None and rule.finder.kind == "region"}
"""Rules on the region of a resource, which is chosen when it is created."""
VAULTS = {rule.id for rule in examples.all_rules() if rule.keys is not None}
"""Rules on the place of a vault, which is a resource of its own."""
LOG_TARGETS = {rule.id for rule in examples.all_rules() if rule.id.endswith("logs-outside")}
"""Rules on where logs go: the destination is the user's choice."""
SOMETIMES_STEPS = {
    "container-job-registry-password": "a registry that is none of Azure accepts no identity",
    "disk-set-no-rotation": "rotation is enabled, and stopped at an error that the identity or the key causes",
    "search-platform-key-allowed": "objects without a key are made again by their author",
    "agc-no-waf": "no security policy names a WAF policy: it is a new resource",
    "front-door-classic-no-waf": "a host has no policy: one link for each host, and the service is retired",
    "front-door-no-waf": "a domain has no policy: a security policy is a new resource with the user's domains",
    "front-door-route-plain-http": "a rule of a rule set redirects to HTTP",
    "front-door-route-plain-origin": "a rule of a rule set calls origins over HTTP",
    "cdn-endpoint-plain-http": "a delivery rule redirects to HTTP",
    "waf-policy-detection-mode": "which rule of the policy is wrong is the user's to decide",
    "front-door-waf-detection-mode": "which rule of the policy is wrong is the user's to decide",
    "application-gateway-no-waf": "which rule of the policy is wrong is the user's to decide",
    "ml-workspace-network-unrestricted": "a project has the network of its hub",
    "kusto-network-unrestricted": "a cluster in a subnet is closed by the rules of the subnet",
    "service-fabric-managed-client-certificates": "a cluster needs Microsoft Entra ID first",
    "activity-log-alerts-missing": "an alert is suppressed too, until the rule that does it is disabled",
    "stored-secret-sign-in": "which roles are the user's choice; a cluster of AKS is changed in place",
    "network-watcher-missing": "one that Azure failed to create is deleted first",
    "action-group-silent": "a group without a receiver needs one",
    "flow-log-short-retention": "a storage account that is gone needs another one",
    "aks-api-server-network-unrestricted": "a stopped cluster must be started first",
    "aks-local-accounts-enabled": "a stopped cluster must be started first",
    "appconfig-network-unrestricted": "the free tier has no private endpoints",
    "cosmos-external-subnet": "the last rule of a firewall that is open without rules",
    "defender-servers-off": "a plan that is switched off on resources is switched on there",
    "eventhub-external-subnet": "the last rule of a firewall that is open without rules",
    "eventhub-network-unrestricted": "the Basic tier has no firewall",
    "machine-all-ports-exposed": "no rule of the user decides",
    "machine-cluster-port-exposed": "no rule of the user decides",
    "machine-database-port-exposed": "no rule of the user decides",
    "machine-file-sharing-port-exposed": "no rule of the user decides",
    "machine-management-port-exposed": "no rule of the user decides",
    "machine-web-port-anonymous": "no rule of the user decides",
    "search-network-unrestricted": "the free tier has no firewall",
    "servicebus-external-subnet": "the last rule of a firewall that is open without rules",
    "servicebus-network-unrestricted": "only the Premium tier has a firewall",
    "signalr-network-unrestricted": "the Free tier has no private endpoints",
    "sql-network-unrestricted": "the server belongs to a Synapse workspace",
    "sql-password-auth": "the server belongs to a Synapse workspace",
    "storage-nfs-no-authentication": "the firewall denies already, and NFS has no sign-in",
}
"""Rules whose fix is steps on some examples, and when."""


UPDATED = re.compile(r"az (?:resource update --ids|rest --method put --url) '?(/[^' ]+)")


def test_no_command_writes_a_body_back_without_its_secrets() -> None:
    commands = {text: rule.id for rule in examples.all_rules() for _, text in commands_of(rule)}
    commands |= {text: each.finding.rule for each in everything() for text in fix_of(each).commands}
    undos = [(each.finding.rule, fix_of(each).undo) for each in everything()]
    commands |= {text: f"undo of {rule}" for rule, undo in undos if undo is not None for text in undo.commands}
    wrong, excused = {}, set()
    for command, rule in commands.items():
        for id in UPDATED.findall(command):
            type = type_of(id).lower()
            excused |= {type} & set(KEPT)
            if type in LOST:
                wrong[rule] = command
    assert wrong == {}
    assert excused == set(KEPT)
    assert LOST | set(KEPT) >= PATCHED


def test_every_fix_closes_its_finding() -> None:
    applied = [each for each in everything() if each.fix.changes and not left(each)]
    assert {each.id: each.status for each in applied if each.status not in ("pass", "not-applicable", "gone")} == {}
    assert len(applied) > 1000


def test_every_fix_of_a_lock_closes_exactly_what_it_claims() -> None:
    wrong = {}
    for each in everything():
        fix = fix_of(each)
        claimed = {*fix.closes, *(endpoint.endpoint for endpoint in fix.also_closes)}
        is_lock = examples.rule_at(each.finding.rule, each.finding.resource).lock
        if not left(each) and not (claimed == each.closed if is_lock else claimed <= each.closed):
            wrong[each.id] = (sorted(claimed), sorted(each.closed))
        assert {*fix.closes, *fix.leaves} == set(each.finding.endpoints) or not is_lock, each.id
    assert wrong == {}


def test_what_cannot_be_applied_has_a_reason() -> None:
    without = Counter(each.finding.rule for each in everything() if not each.fix.changes)
    every = Counter(each.finding.rule for each in everything())
    steps = set(map(examples.current_id, STEPS))
    assert {rule for rule in without if without[rule] == every[rule]} == {*steps, *REGIONS, *VAULTS, *LOG_TARGETS}
    sometimes = set(map(examples.current_id, SOMETIMES_STEPS))
    assert {rule for rule in without if without[rule] < every[rule]} <= sometimes
    assert all(fix_of(each).steps for each in everything() if not each.fix.changes)
    known = {each.id for each in everything()} | {f"{each.case.file}: *: {each.finding.rule}" for each in everything()}
    assert set(LEFT) <= known


def test_every_rule_with_a_failing_example_was_applied_or_has_a_reason() -> None:
    failing = {each.finding.rule for each in everything()}
    assert {rule.id for rule in examples.all_rules()} - failing - {
        key.split(":")[0] for key in examples.never()
    } == set()


RULE = "networkSecurityPerimeters/{0}/profiles/main/accessRules/{1}"
PERIMETERS = {
    "one wide prefix of three": (RULE.format("nsp", "mixed"), ["20.31.7.0/28", "20.31.9.1/32"]),
    "every prefix of a rule is wide": (RULE.format("nsp", "mixed"), []),
    "two wide prefixes of three": (RULE.format("other", "in"), ["20.31.7.0/28"]),
}
"""Cases whose perimeter's rule has several prefixes: the rule, and the prefixes that stay."""


@pytest.mark.parametrize("name", PERIMETERS)
def test_a_perimeters_rule_keeps_the_prefixes_that_are_no_cause(name: str) -> None:
    rule, stays = PERIMETERS[name]
    (each,) = (each for each in everything() if name in each.id and each.finding.rule == "storage-network-unrestricted")
    (command,) = fix_of(each).commands
    assert command.startswith("az resource update --ids /" if stays else "az resource delete --ids /")
    assert command.split()[4].endswith(rule)
    assert command.endswith(f"--set 'properties.addressPrefixes={json.dumps(stays)}'" if stays else rule)
    assert (each.status, each.closed) == ("pass", frozenset(fix_of(each).closes))


@each_rule
def test_commands_run_as_they_are(rule: Rule) -> None:
    for each in by_rule().get(rule.id, ()):
        fix = fix_of(each)
        assert {command: problems(command) for command in fix.commands if problems(command)} == {}
        assert all(field.what for field in fix.fields), fix.fields
        named = {name for text in (*fix.commands, *fix.steps) for name in re.findall(r"<([A-Z_]+)>", text)}
        assert {field.name for field in fix.fields} == named
        assert not fix.check_first or READS.match(fix.check_first) or "metrics list" in fix.check_first


def test_every_command_with_a_range_takes_several() -> None:
    fixes = [fix_of(each) for each in everything()]
    ranged = [each for each in fixes if any(RANGE in command for command in each.commands)]
    assert {each.key for each in ranged if not any(field.join for field in each.fields)} == set()
    assert len(ranged) > 50


def test_the_proof_has_no_gap() -> None:
    result = proof(everything())
    assert result.failing == result.simulated + result.not_simulated
    assert result.simulated == result.closed_exactly + result.left
    assert (result.placeholders, result.without_subscription, result.problems) == (0, 0, [])


def test_the_bicep_of_every_example_parses() -> None:
    written = {fix_of(each).bicep for each in everything()} - {""}
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
    assert [each for each in written if parser.parse(each.encode()).root_node.has_error] == []
    assert sum(bool(fix_of(each).bicep) for each in everything()) > 1300
