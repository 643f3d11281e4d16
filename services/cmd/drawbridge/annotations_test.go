package main

import (
	"os"
	"regexp"
	"testing"
)

// TestAnnotationsNameSettings: the settings that deploy/annotations.md names are there.
func TestAnnotationsNameSettings(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/annotations.md")
	if err != nil {
		t.Fatal(err)
	}
	var cfg config
	known := map[string]bool{}
	for _, s := range settingsOf(&cfg) {
		known[s.name] = true
	}
	named := regexp.MustCompile("`((?:watcher|executor|policy|auditor)\\.[a-z.-]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 20 {
		t.Fatalf("%d settings are named, at least 20 are expected", len(named))
	}
	for _, m := range named {
		if !known[m[1]] {
			t.Errorf("there is no setting %s", m[1])
		}
	}
}
