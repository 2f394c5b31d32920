// A scan once a day as a Container Apps job: identity, storage for reports, logs, alerts. README.md says how to deploy it, and what it may read.
// No secret is made or kept: the identity signs in, the storage account and the workspace refuse keys.

@description('Names everything; lower-case letters and digits')
@minLength(3)
@maxLength(16)
param name string = 'twolocks'

param location string = resourceGroup().location

@description('The image by its digest: registry.example/twolocks@sha256:...')
param image string

@description('An Azure container registry that the identity may pull from (AcrPull), such as crfelles.azurecr.io; empty for a public one')
param registry string = ''

@description('A subnet of its own, /27 or larger, delegated to Microsoft.App/environments, with the service endpoint Microsoft.Storage')
param subnetId string

@description('Public addresses, or ranges up to /30, from which people open reports')
param readerAddresses array = []

@description('The text of twolocks.toml; scope, networks and intended endpoints stand there')
param settings string

@description('The text of waivers.toml')
param waivers string = '# nothing is accepted\n'

@description('postgresql+psycopg://NAME@HOST/DATABASE?sslmode=verify-full without a password: the identity signs in. Empty: no history')
param history string = ''

@description('When, in UTC')
param schedule string = '0 2 * * *'

@description('How many days earlier reports and findings are kept')
param keepDays int = 90

@description('Ids of action groups: who is notified when an alert fires')
param actionGroups array = []

var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageName = 'st${name}${uniqueString(resourceGroup().id)}'

// What each exit code means: severity 1 where the run saw nothing or too little to be trusted, 2 where it found something.
var codes = [
  { code: '1', severity: 2, text: 'Found: an endpoint or finding at or above fail-on, or a rule that crashed' }
  { code: '2', severity: 1, text: 'Wrong input, or the history could not be written' }
  { code: '3', severity: 3, text: 'Incomplete: something was not read, so something is not known' }
  { code: '4', severity: 1, text: 'Nothing could be read: sign-in or network' }
  { code: '70', severity: 1, text: 'A defect of Twolocks' }
]
var ends = 'ContainerAppConsoleLogs | where ContainerName == "${name}" | extend Code = extract(@"^(?:\\S+ done +)?exit (\\d+)", 1, Log)'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}'
  location: location
}

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: take(storageName, 24)
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      virtualNetworkRules: [
        {
          id: subnetId
          action: 'Allow'
        }
      ]
      ipRules: [for address in readerAddresses: {
        value: address
        action: 'Allow'
      }]
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // The names stay the same in every run; an earlier run is an earlier version.
      isVersioningEnabled: true
      deleteRetentionPolicy: {
        enabled: true
        days: 30
      }
      containerDeleteRetentionPolicy: {
        enabled: true
        days: 30
      }
    }

    resource reports 'containers' = {
      name: 'reports'
      properties: {
        publicAccess: 'None'
      }
    }
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: [
          {
            name: 'earlier-runs'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: {
                blobTypes: [
                  'blockBlob'
                ]
                prefixMatch: [
                  'reports/'
                ]
              }
              actions: {
                version: {
                  delete: {
                    daysAfterCreationGreaterThan: keepDays
                  }
                }
              }
            }
          }
        ]
      }
    }
    dependsOn: [
      blobs
    ]
  }
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage::blobs::reports.id, identity.id, blobContributor)
  scope: storage::blobs::reports
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${name}'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 90
    // Diagnostic settings do not come over a public network. People query from one, with their Entra ID.
    publicNetworkAccessForIngestion: 'Disabled'
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource apps 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: 'cae-${name}'
  location: location
  properties: {
    // By Azure Monitor and the diagnostic setting below; the other way hands the workspace's key to the environment.
    appLogsConfiguration: {
      destination: 'azure-monitor'
    }
    vnetConfiguration: {
      infrastructureSubnetId: subnetId
      internal: true
    }
    peerTrafficConfiguration: {
      encryption: {
        enabled: true
      }
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

resource sendsLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: apps
  properties: {
    workspaceId: logs.id
    logs: [
      {
        category: 'ContainerAppConsoleLogs'
        enabled: true
      }
      {
        category: 'ContainerAppSystemLogs'
        enabled: true
      }
    ]
  }
}

resource job 'Microsoft.App/jobs@2025-01-01' = {
  name: 'job-${name}'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: apps.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Schedule'
      scheduleTriggerConfig: {
        cronExpression: schedule
        parallelism: 1
        replicaCompletionCount: 1
      }
      // No second try: a scan that found something (exit 1) would find it again.
      replicaRetryLimit: 0
      replicaTimeout: 14400
      registries: empty(registry) ? [] : [
        {
          server: registry
          identity: identity.id
        }
      ]
      // Files, not secrets: this is how a job mounts text.
      secrets: [
        {
          name: 'settings'
          value: settings
        }
        {
          name: 'waivers'
          value: waivers
        }
      ]
    }
    template: {
      containers: [
        {
          name: name
          image: image
          command: empty(history) ? [ 'twolocks' ] : [ 'with-postgres-token', 'twolocks' ]
          args: [
            'scan'
            '--auth'
            'managed-identity'
            '--config'
            '/etc/twolocks/settings'
            '--waivers'
            '/etc/twolocks/waivers'
            '--fail-on'
            empty(history) ? 'high' : 'new:high'
            '--out'
            'az://reports/report.html'
            '--out'
            'az://reports/findings.json'
            '--snapshot'
            'az://reports/snapshot.jsonl.zst'
          ]
          env: concat([
            {
              name: 'AZURE_CLIENT_ID'
              value: identity.properties.clientId
            }
            {
              name: 'AZURE_STORAGE_ACCOUNT_NAME'
              value: storage.name
            }
          ], empty(history) ? [] : [
            {
              name: 'TWOLOCKS_SCAN_HISTORY'
              value: history
            }
          ])
          resources: {
            cpu: 1
            memory: '2Gi'
          }
          volumeMounts: [
            {
              volumeName: 'settings'
              mountPath: '/etc/twolocks'
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'settings'
          storageType: 'Secret'
        }
      ]
    }
  }
  dependsOn: [
    writes
    sendsLogs
  ]
}

resource ended 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for each in codes: {
  name: 'alert-${name}-exit-${each.code}'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Twolocks ended with ${each.code}'
    description: each.text
    severity: each.severity
    enabled: true
    scopes: [
      logs.id
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT2H'
    autoMitigate: true
    // The table is there only after the first run.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '${ends} | where Code == "${each.code}"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: actionGroups
    }
  }
}]

resource missed 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'alert-${name}-missed'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Twolocks has not ended for two days'
    description: 'No scan ended: the job did not start, was killed for memory or time, or its image could not be pulled'
    severity: 1
    enabled: true
    scopes: [
      logs.id
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P2D'
    autoMitigate: true
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '${ends} | where isnotempty(Code)'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: actionGroups
    }
  }
}

@description('Whom to let read: access.bicep, or az role assignment create')
output principalId string = identity.properties.principalId
output storageAccount string = storage.name
output job string = job.name
