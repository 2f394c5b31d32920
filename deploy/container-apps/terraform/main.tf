# A scan once a day as a Container Apps job: identity, storage for reports, logs, alerts. ../README.md says how to use it.
# No secret is made or kept: the identity signs in, the storage account and the workspace refuse keys.

locals {
  # What each exit code means: severity 1 where the run saw nothing or too little to be trusted, 2 where it found something.
  codes = {
    "1"  = { severity = 2, text = "Found: an endpoint or finding at or above fail-on, or a rule that crashed" }
    "2"  = { severity = 1, text = "Wrong input, or the history could not be written" }
    "3"  = { severity = 3, text = "Incomplete: something was not read, so something is not known" }
    "4"  = { severity = 1, text = "Nothing could be read: sign-in or network" }
    "70" = { severity = 1, text = "A defect of Twolocks" }
  }
  ends     = "ContainerAppConsoleLogs | where ContainerName == \"${var.name}\" | extend Code = extract(@\"^(?:\\S+ done +)?exit (\\d+)\", 1, Log)"
  remember = var.history == "" ? {} : { TWOLOCKS_SCAN_HISTORY = var.history }
}

data "azurerm_resource_group" "this" {
  name = var.resource_group_name
}

resource "azurerm_user_assigned_identity" "scan" {
  name                = "id-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
}

module "role" {
  source = "./role"
  count  = var.custom_role ? 1 : 0
  scopes = var.scopes
}

resource "azurerm_role_assignment" "reads" {
  for_each             = toset(var.scopes)
  scope                = each.value
  role_definition_id   = var.custom_role ? module.role[0].id : null
  role_definition_name = var.custom_role ? null : "Reader"
  principal_id         = azurerm_user_assigned_identity.scan.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_storage_account" "reports" {
  name                             = substr("st${var.name}${sha1(data.azurerm_resource_group.this.id)}", 0, 24)
  resource_group_name              = var.resource_group_name
  location                         = var.location
  account_kind                     = "StorageV2"
  account_tier                     = "Standard"
  account_replication_type         = "ZRS"
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  public_network_access_enabled    = true

  network_rules {
    bypass                     = ["None"]
    default_action             = "Deny"
    virtual_network_subnet_ids = [var.subnet_id]
    ip_rules                   = var.reader_addresses
  }

  blob_properties {
    # The names stay the same in every run; an earlier run is an earlier version.
    versioning_enabled = true

    delete_retention_policy {
      days = 30
    }

    container_delete_retention_policy {
      days = 30
    }
  }
}

resource "azurerm_storage_container" "reports" {
  name                  = "reports"
  storage_account_id    = azurerm_storage_account.reports.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "reports" {
  storage_account_id = azurerm_storage_account.reports.id

  rule {
    name    = "earlier-runs"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["reports/"]
    }

    actions {
      version {
        delete_after_days_since_creation = var.keep_days
      }
    }
  }
}

resource "azurerm_role_assignment" "writes" {
  scope                = azurerm_storage_container.reports.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.scan.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_log_analytics_workspace" "logs" {
  name                         = "log-${var.name}"
  resource_group_name          = var.resource_group_name
  location                     = var.location
  sku                          = "PerGB2018"
  retention_in_days            = 90
  local_authentication_enabled = false
  # Diagnostic settings do not come over a public network. People query from one, with their Entra ID.
  internet_ingestion_enabled = false
}

resource "azurerm_container_app_environment" "this" {
  name                           = "cae-${var.name}"
  resource_group_name            = var.resource_group_name
  location                       = var.location
  infrastructure_subnet_id       = var.subnet_id
  internal_load_balancer_enabled = true
  # By Azure Monitor and the diagnostic setting below; the other way hands the workspace's key to the environment.
  logs_destination = "azure-monitor"

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
    minimum_count         = 0
    maximum_count         = 0
  }
}

resource "azurerm_monitor_diagnostic_setting" "logs" {
  name                       = "logs"
  target_resource_id         = azurerm_container_app_environment.this.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.logs.id

  enabled_log {
    category = "ContainerAppConsoleLogs"
  }

  enabled_log {
    category = "ContainerAppSystemLogs"
  }
}

resource "azurerm_container_app_job" "scan" {
  name                         = "job-${var.name}"
  resource_group_name          = var.resource_group_name
  location                     = var.location
  container_app_environment_id = azurerm_container_app_environment.this.id
  workload_profile_name        = "Consumption"
  replica_timeout_in_seconds   = 14400
  # No second try: a scan that found something (exit 1) would find it again.
  replica_retry_limit = 0

  schedule_trigger_config {
    cron_expression          = var.schedule
    parallelism              = 1
    replica_completion_count = 1
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.scan.id]
  }

  dynamic "registry" {
    for_each = var.registry == "" ? [] : [var.registry]
    content {
      server   = registry.value
      identity = azurerm_user_assigned_identity.scan.id
    }
  }

  # Files, not secrets: this is how a job mounts text.
  secret {
    name  = "settings"
    value = var.settings
  }

  secret {
    name  = "waivers"
    value = var.waivers
  }

  template {
    container {
      name    = var.name
      image   = var.image
      cpu     = 1
      memory  = "2Gi"
      command = var.history == "" ? ["twolocks"] : ["with-postgres-token", "twolocks"]
      args = [
        "scan",
        "--auth", "managed-identity",
        "--config", "/etc/twolocks/settings",
        "--waivers", "/etc/twolocks/waivers",
        "--fail-on", var.history == "" ? "high" : "new:high",
        "--out", "az://reports/report.html",
        "--out", "az://reports/findings.json",
        "--snapshot", "az://reports/snapshot.jsonl.zst",
      ]

      env {
        name  = "AZURE_CLIENT_ID"
        value = azurerm_user_assigned_identity.scan.client_id
      }

      env {
        name  = "AZURE_STORAGE_ACCOUNT_NAME"
        value = azurerm_storage_account.reports.name
      }

      dynamic "env" {
        for_each = local.remember
        content {
          name  = env.key
          value = env.value
        }
      }

      volume_mounts {
        name = "settings"
        path = "/etc/twolocks"
      }
    }

    volume {
      name         = "settings"
      storage_type = "Secret"
    }
  }

  depends_on = [azurerm_role_assignment.writes, azurerm_monitor_diagnostic_setting.logs]
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "ended" {
  for_each             = local.codes
  name                 = "alert-${var.name}-exit-${each.key}"
  display_name         = "Twolocks ended with ${each.key}"
  description          = each.value.text
  resource_group_name  = var.resource_group_name
  location             = var.location
  severity             = each.value.severity
  scopes               = [azurerm_log_analytics_workspace.logs.id]
  evaluation_frequency = "PT1H"
  window_duration      = "PT2H"
  # The table is there only after the first run.
  skip_query_validation   = true
  auto_mitigation_enabled = true

  criteria {
    query                   = "${local.ends} | where Code == \"${each.key}\""
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups = var.action_groups
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "missed" {
  name                    = "alert-${var.name}-missed"
  display_name            = "Twolocks has not ended for two days"
  description             = "No scan ended: the job did not start, was killed for memory or time, or its image could not be pulled"
  resource_group_name     = var.resource_group_name
  location                = var.location
  severity                = 1
  scopes                  = [azurerm_log_analytics_workspace.logs.id]
  evaluation_frequency    = "PT1H"
  window_duration         = "P2D"
  skip_query_validation   = true
  auto_mitigation_enabled = true

  criteria {
    query                   = "${local.ends} | where isnotempty(Code)"
    time_aggregation_method = "Count"
    operator                = "LessThan"
    threshold               = 1

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups = var.action_groups
  }
}

output "principal_id" {
  description = "The identity that reads; let it into PostgreSQL, and into the registry"
  value       = azurerm_user_assigned_identity.scan.principal_id
}

output "storage_account" {
  value = azurerm_storage_account.reports.name
}

output "job" {
  value = azurerm_container_app_job.scan.name
}
