"""Types whose GET leaves out secrets, so that a body that is written back as a whole would take them away.

Source: bicep-types-az of August 2026, properties that are write-only, or passwords and keys. These are the types that
fixes write or undo.
"""

from collections.abc import Mapping
from typing import Final

LOST: Final = frozenset(
    (
        "microsoft.apimanagement/service",
        "microsoft.apimanagement/service/backends",
        "microsoft.apimanagement/service/namedvalues",
        "microsoft.apimanagement/service/subscriptions",
        "microsoft.app/containerapps",
        "microsoft.app/jobs",
        "microsoft.app/managedenvironments",
        "microsoft.app/sessionpools",
        "microsoft.batch/batchaccounts/pools",
        "microsoft.botservice/botservices",
        "microsoft.botservice/botservices/channels",
        "microsoft.cognitiveservices/accounts/connections",
        "microsoft.cognitiveservices/accounts/projects/connections",
        "microsoft.compute/virtualmachines",
        "microsoft.compute/virtualmachinescalesets",
        "microsoft.containerinstance/containergroups",
        "microsoft.containerregistry/registries/tokens",
        "microsoft.containerservice/managedclusters",
        "microsoft.dashboard/grafana",
        "microsoft.datafactory/factories/integrationruntimes",
        "microsoft.dbformysql/flexibleservers",
        "microsoft.dbforpostgresql/flexibleservers",
        "microsoft.dbforpostgresql/servergroupsv2",
        "microsoft.documentdb/cassandraclusters",
        "microsoft.documentdb/cassandraclusters/datacenters",
        "microsoft.documentdb/mongoclusters",
        "microsoft.hdinsight/clusters",
        "microsoft.kubernetesconfiguration/fluxconfigurations",
        "microsoft.logic/workflows",
        "microsoft.machinelearningservices/workspaces/computes",
        "microsoft.machinelearningservices/workspaces/connections",
        "microsoft.machinelearningservices/workspaces/datastores",
        "microsoft.netapp/netappaccounts",
        "microsoft.network/applicationgateways",
        "microsoft.network/virtualnetworkgateways",
        "microsoft.network/vpngateways",
        "microsoft.network/vpnserverconfigurations",
        "microsoft.notificationhubs/namespaces",
        "microsoft.redhatopenshift/openshiftclusters",
        "microsoft.resources/deploymentscripts",
        "microsoft.sql/managedinstances",
        "microsoft.sql/servers",
        "microsoft.sql/servers/vulnerabilityassessments",
        "microsoft.synapse/workspaces",
        "microsoft.synapse/workspaces/auditingsettings",
        "microsoft.web/staticsites/basicauth",
        "oracle.database/autonomousdatabases",
    )
)
"""Types (lower case) whose secrets a general update takes away."""
KEPT: Final[Mapping[str, str]] = {
    "microsoft.devices/iothubs": "az iot hub update writes the same body: Azure takes masked keys as unchanged",
    "microsoft.devices/provisioningservices": (
        "az iot dps update writes the same body: Azure takes masked keys as unchanged"
    ),
    "microsoft.machinelearningservices/workspaces/onlineendpoints": (
        "az ml online-endpoint update writes the same body: keys are set at creation"
    ),
    "microsoft.servicefabric/managedclusters": (
        "az sf managed-cluster writes the same body: the password is asked for at creation"
    ),
    "microsoft.sql/servers/auditingsettings": "the fix moves to a managed identity: the key is to go",
}
"""Types (lower case) with secrets that a general update may write all the same, each with the reason. Where a command
of the Azure CLI writes the body, PATCH changes no more than tags and identity."""
