package executor

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/events"
)

// setting is what is named, and by what field of whom.
type setting struct {
	value, where string
}

// first is the first of the settings that is set.
func first(all ...setting) setting {
	if i := slices.IndexFunc(all, func(s setting) bool { return s.value != "" }); i >= 0 {
		return all[i]
	}
	return setting{}
}

func exposures(field, value string) setting { return setting{value, asker(field)} }

// annotations are those of placement, by the exposure's field.
var annotations = map[string]string{
	"flavor": "flavor", "placement.class": "class", "placement.availabilityZone": "availability-zone", "placement.network": "network",
	"placement.subnet": "subnet", "placement.port": "port", "placement.additionalSubnets": "additional-subnets", "placement.families": "ip-families",
	"placement.memberSubnet": "member-subnet", "placement.loadBalancer": "load-balancer", "floatingIP.network": "floating-network",
	"floatingIP.subnet": "floating-subnet", "floatingIP.subnetTags": "floating-subnet-tags",
}

// asker names a field of the exposure, and the annotation that it comes from,
// which may have been written by its older name.
func asker(field string) string {
	plain, _, _ := strings.Cut(field, "[")
	return fmt.Sprintf("the exposure's %s (annotation drawbridge.dev/%s)", field, annotations[plain])
}

// wishes are what the exposure, its class and the executor say of placement.
type wishes struct {
	e     events.Exposure
	class Class
	cfg   Config
}

// of is a setting that all three may have.
func (w wishes) of(field, value, name, class, cfg string) setting {
	return first(exposures(field, value), w.classes(name, class), executors(name, cfg))
}

func (w wishes) classes(name, value string) setting {
	return setting{value: value, where: fmt.Sprintf("the %s of class %q", name, w.e.Placement.Class)}
}

func executors(name, value string) setting {
	return setting{value: value, where: "the executor's " + name}
}
