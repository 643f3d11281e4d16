module drawbridge.dev/policies

go 1.26.0
