// A scan once a day that is spread: a job that coordinates, a job of workers that KEDA scales on the queue, and the broker.
// It goes into the environment, and uses the identity and the storage account, that deploy/container-apps/main.bicep makes.
// The identity signs in. The broker is reached from within the environment alone, over TLS and with a password, which
// are secrets of a key vault: this file names them, and holds none.

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

@description('The URI of the key vault with the secrets of the broker, such as https://kv-felles.vault.azure.net. The identity may read them (Key Vault Secrets User). README.md says how they are made')
param vaultUri string

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
// Of the broker: `url` is rediss://:PASSWORD@ca-NAME-broker:6379/0, `conf` is "requirepass PASSWORD".
var secretsOfBroker = [
  {
    name: 'conf'
    keyVaultUrl: '${vaultUri}/secrets/broker-conf'
    identity: identity.id
  }
  {
    name: 'certificate'
    keyVaultUrl: '${vaultUri}/secrets/broker-certificate'
    identity: identity.id
  }
  {
    name: 'key'
    keyVaultUrl: '${vaultUri}/secrets/broker-key'
    identity: identity.id
  }
]
var secretsOfJobs = [
  {
    name: 'url'
    keyVaultUrl: '${vaultUri}/secrets/broker-url'
    identity: identity.id
  }
  {
    name: 'password'
    keyVaultUrl: '${vaultUri}/secrets/broker-password'
    identity: identity.id
  }
  {
    name: 'ca'
    keyVaultUrl: '${vaultUri}/secrets/broker-ca'
    identity: identity.id
  }
]

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
      secrets: secretsOfBroker
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
          // The password is in the file, so that no list of processes shows it.
          command: [
            'valkey-server'
            '/etc/broker/conf'
          ]
          args: [
            '--port'
            '0'
            '--tls-port'
            string(brokerPort)
            '--tls-cert-file'
            '/etc/broker/certificate'
            '--tls-key-file'
            '/etc/broker/key'
            '--tls-auth-clients'
            'no'
            '--save'
            ''
            '--appendonly'
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
          volumeMounts: [
            {
              volumeName: 'broker'
              mountPath: '/etc/broker'
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'broker'
          storageType: 'Secret'
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
                enableTLS: 'true'
              }
              auth: [
                {
                  triggerParameter: 'password'
                  secretRef: 'password'
                }
                {
                  triggerParameter: 'ca'
                  secretRef: 'ca'
                }
              ]
            }
          ]
        }
      }
      secrets: secretsOfJobs
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
            'fleet'
            'worker'
            '--auth'
            'managed-identity'
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
            {
              name: 'TWOLOCKS_FLEET_BROKER'
              secretRef: 'url'
            }
            // Beside the certificates of the system, which are those of Azure.
            {
              name: 'SSL_CERT_FILE'
              value: '/etc/broker/ca'
            }
          ]
          resources: {
            cpu: 1
            memory: '2Gi'
          }
          volumeMounts: [
            {
              volumeName: 'broker'
              mountPath: '/etc/broker'
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'broker'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'ca'
              path: 'ca'
            }
          ]
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
      // The settings are a file, not a secret: this is how a job mounts text.
      secrets: concat(secretsOfJobs, [
        {
          name: 'settings'
          value: settings
        }
      ])
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
            {
              name: 'TWOLOCKS_SCAN_BROKER'
              secretRef: 'url'
            }
            // Beside the certificates of the system, which are those of Azure.
            {
              name: 'SSL_CERT_FILE'
              value: '/etc/broker/ca'
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
            {
              volumeName: 'broker'
              mountPath: '/etc/broker'
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'settings'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'settings'
              path: 'settings'
            }
          ]
        }
        {
          name: 'broker'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'ca'
              path: 'ca'
            }
          ]
        }
      ]
    }
  }
  dependsOn: [
    broker
    writes
  ]
}
