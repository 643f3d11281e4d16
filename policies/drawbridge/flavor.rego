package drawbridge

# A namespace may be given load balancers of one flavor.
obligations["flavor"] := flavor if {
	count(data.settings.flavors.namespaces) > 0
	flavor := for_namespace(data.settings.flavors.namespaces)
}
