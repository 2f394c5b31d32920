using 'main.bicep'

param image = 'registry.example/twolocks@sha256:0000000000000000000000000000000000000000000000000000000000000000'
param subnetId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet/subnets/snet-twolocks'
param settings = loadTextContent('twolocks.toml')
