package drawbridge

# A namespace may be given load balancers of one flavor.
obligations["flavor"] := flavor if {
	flavor := for_namespace(data.settings.flavors.namespaces)
	flavor != ""
}
