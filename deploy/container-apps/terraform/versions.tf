terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }
}

# The caller's own provider block: `storage_use_azuread = true`, since the storage account refuses keys.
