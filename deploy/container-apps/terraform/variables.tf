variable "name" {
  description = "Names everything; lower-case letters and digits"
  type        = string
  default     = "twolocks"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,15}$", var.name))
    error_message = "3 to 16 lower-case letters and digits, a letter first."
  }
}

variable "resource_group_name" {
  type = string
}

variable "location" {
  type = string
}

variable "image" {
  description = "The image by its digest: registry.example/twolocks@sha256:..."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest; a tag is what somebody may move."
  }
}

variable "registry" {
  description = "An Azure container registry that the identity may pull from (AcrPull), such as crfelles.azurecr.io; empty for a public one"
  type        = string
  default     = ""
}

variable "subnet_id" {
  description = "A subnet of its own, /27 or larger, delegated to Microsoft.App/environments, with the service endpoint Microsoft.Storage"
  type        = string
}

variable "reader_addresses" {
  description = "Public addresses, or ranges up to /30, from which people open reports"
  type        = list(string)
  default     = []
}

variable "scopes" {
  description = "What is scanned: /subscriptions/ID, or one /providers/Microsoft.Management/managementGroups/ID first"
  type        = list(string)

  validation {
    condition     = length(var.scopes) > 0
    error_message = "Name at least one scope."
  }
}

variable "custom_role" {
  description = "Whether a role is made of exactly the reads of the rules; else the built-in Reader is assigned"
  type        = bool
  default     = true
}

variable "settings" {
  description = "The text of twolocks.toml: file(\"twolocks.toml\")"
  type        = string
}

variable "waivers" {
  description = "The text of waivers.toml"
  type        = string
  default     = "# nothing is accepted\n"
}

variable "history" {
  description = "postgresql+psycopg://NAME@HOST/DATABASE?sslmode=verify-full without a password: the identity signs in. Empty: no history"
  type        = string
  default     = ""
}

variable "schedule" {
  description = "When, in UTC"
  type        = string
  default     = "0 2 * * *"
}

variable "keep_days" {
  description = "How many days earlier reports and findings are kept"
  type        = number
  default     = 90
}

variable "action_groups" {
  description = "Ids of action groups: who is notified when an alert fires"
  type        = list(string)
  default     = []
}
