// A scan once a day that is spread: a job that coordinates, a job of workers that KEDA scales on the queue, and the broker.
// It goes into the environment, and uses the identity and the storage account, that deploy/container-apps/main.bicep makes.
// No secret is made or kept: the identity signs in, and the broker is reached from within the environment alone.

@description('Names everything; lower-case letters and digits')
@minLength(3)
@maxLength(16)
param name string = 'twolocks'

param location string = resourceGroup().location

@description('The image of Twolocks by its digest: registry.example/twolocks@sha256:...')
param image string

@description('The image of Valkey by its digest: registry.example/valkey@sha256:...')
param brokerImage string

@description('An Azure container registry that the identity may pull from (AcrPull), such as crfelles.azurecr.io; empty for a public one')
param registry string = ''

@description('The text of twolocks.toml; scope, networks and intended endpoints stand there')
param settings string

@description('When, in UTC')
param schedule string = '0 2 * * *'

@description('The most workers at once: each reads one subscription, and needs a core')
@minValue(1)
@maxValue(300)
param workers int = 20

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: 'id-${name}'
}

resource apps 'Microsoft.App/managedEnvironments@2025-01-01' existing = {
  name: 'cae-${name}'
}

@description('The storage account that main.bicep made; its container `parts` is made here')
param storageName string

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var place = 'az://parts/nightly'
var brokerPort = 6379
var brokerHost = 'ca-${name}-broker'
var fleet = 'redis://${brokerHost}:${brokerPort}/0'

resource parts 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: storage::blobs
  name: 'parts'
  properties: {
    publicAccess: 'None'
  }
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(parts.id, identity.id, blobContributor)
  scope: parts
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

// Keeps nothing: where it is lost, the coordinator hands the shards out again.
resource broker 'Microsoft.App/containerApps@2025-01-01' = {
  name: brokerHost
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
      activeRevisionsMode: 'Single'
      ingress: {
        external: false
        transport: 'tcp'
        targetPort: brokerPort
        exposedPort: brokerPort
      }
      registries: empty(registry) ? [] : [
        {
          server: registry
          identity: identity.id
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'broker'
          image: brokerImage
          command: [
            'valkey-server'
          ]
          args: [
            '--save'
            ''
            '--appendonly'
            'no'
            '--protected-mode'
            'no'
            '--maxmemory'
            '256mb'
            '--maxmemory-policy'
            'noeviction'
          ]
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
        }
      ]
      scale: {
        minReplicas: 1
        maxReplicas: 1
      }
    }
  }
}

resource worker 'Microsoft.App/jobs@2025-01-01' = {
  name: 'job-${name}-worker'
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
      triggerType: 'Event'
      eventTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
        scale: {
          minExecutions: 0
          maxExecutions: workers
          pollingInterval: 15
          rules: [
            {
              name: 'queue'
              type: 'redis'
              metadata: {
                address: '${brokerHost}:${brokerPort}'
                listName: 'twolocks'
                listLength: '1'
              }
            }
          ]
        }
      }
      // No second try: the broker delivers what a worker left again.
      replicaRetryLimit: 0
      replicaTimeout: 14400
      registries: empty(registry) ? [] : [
        {
          server: registry
          identity: identity.id
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'worker'
          image: image
          command: [
            'twolocks'
          ]
          args: [
            'worker'
            '--auth'
            'managed-identity'
            '--fleet'
            fleet
            '--parts'
            place
            '--until-empty'
          ]
          env: [
            {
              name: 'AZURE_CLIENT_ID'
              value: identity.properties.clientId
            }
            {
              name: 'AZURE_STORAGE_ACCOUNT_NAME'
              value: storage.name
            }
          ]
          resources: {
            cpu: 1
            memory: '2Gi'
          }
        }
      ]
    }
  }
  dependsOn: [
    broker
    writes
  ]
}

resource coordinator 'Microsoft.App/jobs@2025-01-01' = {
  name: 'job-${name}-fleet'
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
      replicaRetryLimit: 0
      replicaTimeout: 28800
      registries: empty(registry) ? [] : [
        {
          server: registry
          identity: identity.id
        }
      ]
      // A file, not a secret: this is how a job mounts text.
      secrets: [
        {
          name: 'settings'
          value: settings
        }
      ]
    }
    template: {
      containers: [
        {
          name: name
          image: image
          command: [
            'twolocks'
          ]
          args: [
            'scan'
            '--auth'
            'managed-identity'
            '--config'
            '/etc/twolocks/settings'
            '--fleet'
            fleet
            '--parts'
            place
            '--deadline'
            '6h'
            '--out'
            'az://reports/report.html'
            '--out'
            'az://reports/findings.json'
            '--snapshot'
            'az://reports/snapshot.jsonl.zst'
          ]
          env: [
            {
              name: 'AZURE_CLIENT_ID'
              value: identity.properties.clientId
            }
            {
              name: 'AZURE_STORAGE_ACCOUNT_NAME'
              value: storage.name
            }
          ]
          resources: {
            cpu: 2
            memory: '4Gi'
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
    broker
    writes
  ]
}
