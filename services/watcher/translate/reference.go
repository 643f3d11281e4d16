package translate

import (
	"fmt"
	"slices"
	"strings"
)

// Reference is the documentation of all annotations and of the peers' settings,
// in Markdown, made from the tables.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Annotations

What Services of type LoadBalancer and Ingresses may say. Written from the code by ` + "`go test ./watcher/translate -run Reference -update`" + ` in ` + "`services`" + `.

- A value that is not allowed refuses the object as a whole, with the annotation, the value and what is allowed in a
  Kubernetes Event (and the condition of a Service); what stood before stays as it is.
- Two names of one setting with different values are named together, and refuse the object. With the same value
  they are fine: a migration may write ours beside the old one.
- A blank value of an older name counts as not there, except where it would say who may connect.
- What begins with ` + "`" + Prefix + "`" + ` and is not in the table is refused: a slip must not make an object public.
- Everything may be changed later. What Octavia cannot change is told as "needs recreate", or done with
  ` + "`" + AnnotationReplace + "`" + `.
- "API" is the first version of Octavia's API that has it; where none is given, every one has.
- OCCM is the OpenStack cloud controller manager, OIC the octavia-ingress-controller, both of 1.36.

## Ours

| annotation | on | also known as | allowed | default | API | meaning |
| --- | --- | --- | --- | --- | --- | --- |
`)
	for _, a := range Annotations {
		if a.Peer == Ours {
			var older []string
			for _, s := range synonyms[a.Name] {
				older = append(older, "`"+s.Name+"` ("+string(s.Peer)+")")
			}
			b.WriteString(row("`"+a.Name+"`", strings.Join(a.Kinds, ", "), strings.Join(older, ", "), a.Values, a.Default, a.API, a.Means))
		}
	}
	for _, p := range []struct {
		peer  Peer
		title string
	}{{OCCM, "OCCM's, on Services"}, {OIC, "OIC's, on Ingresses"}, {Kubernetes, "Kubernetes'"}} {
		fmt.Fprintf(&b, "\n## %s\n\n| annotation | on | ours | allowed | default | API | meaning |\n| --- | --- | --- | --- | --- | --- | --- |\n", p.title)
		for _, a := range Annotations {
			if a.Peer == p.peer {
				b.WriteString(row("`"+a.Name+"`", strings.Join(a.Kinds, ", "), code(a.Own), a.Values, a.Default, a.API, a.Means))
			}
		}
	}
	for _, p := range []struct {
		title   string
		options []peerOption
	}{{"Settings of OCCM", occmOptions}, {"Settings of OIC", oicOptions}} {
		fmt.Fprintf(&b, "\n## %s\n\n| there | default there | here |\n| --- | --- | --- |\n", p.title)
		for _, o := range p.options {
			b.WriteString(row(o.name, o.otherwise, o.here))
		}
	}
	return b.String()
}

func code(name string) string {
	if name == "" {
		return ""
	}
	return "`" + name + "`"
}

// row is one of a table; a bar would end its cell.
func row(cells ...string) string {
	cells = slices.Clone(cells)
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}
