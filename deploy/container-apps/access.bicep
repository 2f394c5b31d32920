// Lets an identity read one subscription. Deployed once in each: az deployment sub create --template-file access.bicep ...
targetScope = 'subscription'

@description('The output principalId of main.bicep')
param principalId string

@description('The custom role, as role.bicep gives its id. Default: the built-in Reader')
param roleDefinitionId string = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'acdd72a7-3385-48ef-bd42-f606fba81ae7')

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, roleDefinitionId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: roleDefinitionId
  }
}
