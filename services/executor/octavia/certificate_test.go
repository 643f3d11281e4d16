package octavia

import "testing"

func TestSecretID(t *testing.T) {
	for ref, want := range map[string]string{
		"http://127.0.0.1:9311/v1/secrets/7d17":        "7d17",
		"https://cloud/key-manager/v1/secrets/7d17/":   "7d17",
		"https://cloud/key-manager/v1/containers/7d17": "",
		"https://cloud/secrets":                        "",
		"https://cloud/v1/secrets/":                    "",
		"7d17":                                         "",
		"::":                                           "",
	} {
		if id, ok := secretID(ref); id != want && want != "" || ok != (want != "") {
			t.Errorf("%s: %q, %t", ref, id, ok)
		}
	}
}
