// The table for --out loganalytics://..., the rule that takes its rows, and the right to send them.
// az deployment group create --resource-group GROUP --template-file main.bicep --parameters workspaceName=NAME principalId=ID

@description('The Log Analytics workspace in this resource group, with or without Microsoft Sentinel')
param workspaceName string

@description('The object ID of the identity that scans; empty: no right is given')
param principalId string = ''

@description('The kind of that identity')
@allowed(['ServicePrincipal', 'User', 'Group'])
param principalType string = 'ServicePrincipal'

@description('Days for which the rows can be queried')
@minValue(4)
@maxValue(730)
param retentionInDays int = 90

var stream = 'Custom-Twolocks_CL'
var columns = [
  { name: 'TimeGenerated', type: 'datetime' }
  { name: 'ScanId', type: 'string' }
  { name: 'Evaluated', type: 'string' }
  { name: 'Version', type: 'string' }
  { name: 'Complete', type: 'boolean' }
  { name: 'Numbers', type: 'dynamic' }
  { name: 'RecordKind', type: 'string' }
  { name: 'Fingerprint', type: 'string' }
  { name: 'Status', type: 'string' }
  { name: 'Severity', type: 'string' }
  { name: 'PossibleSeverity', type: 'string' }
  { name: 'Rule', type: 'string' }
  { name: 'Category', type: 'string' }
  { name: 'Title', type: 'string' }
  { name: 'Message', type: 'string' }
  { name: 'Fix', type: 'string' }
  { name: 'Endpoint', type: 'string' }
  { name: 'EndpointKind', type: 'string' }
  { name: 'Address', type: 'string' }
  { name: 'Network', type: 'string' }
  { name: 'Authentication', type: 'string' }
  { name: 'AzureTenantId', type: 'string' }
  { name: 'SubscriptionId', type: 'string' }
  { name: 'SubscriptionName', type: 'string' }
  { name: 'ResourceGroup', type: 'string' }
  { name: 'AzureResourceType', type: 'string' }
  { name: 'ResourceName', type: 'string' }
  { name: 'Region', type: 'string' }
  { name: 'AzureResourceId', type: 'string' }
  { name: 'IsNew', type: 'boolean' }
  { name: 'FirstSeen', type: 'datetime' }
  { name: 'WaiverOwner', type: 'string' }
  { name: 'WaiverExpires', type: 'string' }
  { name: 'WaiverReason', type: 'string' }
  { name: 'ResourceTags', type: 'string' }
]

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: workspaceName
}

resource table 'Microsoft.OperationalInsights/workspaces/tables@2022-10-01' = {
  parent: workspace
  name: 'Twolocks_CL'
  properties: {
    plan: 'Analytics'
    retentionInDays: retentionInDays
    schema: {
      name: 'Twolocks_CL'
      columns: map(columns, column => { name: column.name, type: column.type == 'datetime' ? 'dateTime' : column.type })
    }
  }
}

// A rule of the kind Direct has an endpoint of its own, so no data collection endpoint is needed.
resource rule 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: 'dcr-twolocks'
  location: workspace.location
  kind: 'Direct'
  properties: {
    streamDeclarations: {
      '${stream}': { columns: columns }
    }
    destinations: {
      logAnalytics: [{ name: 'workspace', workspaceResourceId: workspace.id }]
    }
    dataFlows: [{ streams: [stream], destinations: ['workspace'], transformKql: 'source', outputStream: stream }]
  }
  dependsOn: [table]
}

// Monitoring Metrics Publisher, on this rule alone: it may send rows, and read nothing.
resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(principalId)) {
  scope: rule
  name: guid(rule.id, principalId)
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '3913510d-42f4-4e42-8a64-420c390055eb')
  }
}

@description('The target: twolocks scan --out TARGET')
output target string = 'loganalytics://${replace(rule.properties.endpoints.logsIngestion, 'https://', '')}/${rule.properties.immutableId}/${stream}'
