"""Where the further host names of API Management are: api-management/configure-custom-domain."""


def _named(type: str) -> str:
    return f"properties.hostnameConfigurations[type={type}].hostName"


HOSTS = {
    "api/*": (_named("Proxy"), "properties.gatewayRegionalUrl", "properties.additionalLocations[].gatewayRegionalUrl"),
    "portal": (_named("DeveloperPortal"),),
    "management": (_named("Management"),),
    "scm": (_named("Scm"),),
    "configuration": (_named("ConfigurationApi"),),
}
