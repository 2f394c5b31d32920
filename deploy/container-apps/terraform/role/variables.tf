variable "scopes" {
  description = "Where the role may be assigned; a management group, at most one, stands first"
  type        = list(string)
}

output "id" {
  value = azurerm_role_definition.twolocks.role_definition_resource_id
}
