package events

import (
	"fmt"
	"strings"
)

// Stage is the part of a change's trip that an event reports, and the second
// token of its NATS subject.
type Stage string

// Stages, in the order of the trip. Rejected stands for what could not be
// understood; it is on record and stops nothing.
const (
	StageRequested Stage = "requested"
	StageDecided   Stage = "decided"
	StageOutcome   Stage = "outcome"
	StageDrift     Stage = "drift"
	StageRejected  Stage = "rejected"
)

// Stages lists every stage.
var Stages = []Stage{StageRequested, StageDecided, StageOutcome, StageDrift, StageRejected}

// SubjectRoot is the first token of every subject of the fleet.
const SubjectRoot = "fleet"

// Subject is where events of one key and stage travel:
// fleet.<stage>.<cloud>.<cluster>.<kind>.<namespace>.<name>. Tokens are
// percent-escaped, because a dot, a blank, '*' and '>' mean something to NATS
// (NATS docs, "Subject-Based Messaging"). The stage stands first, so that one
// prefix is one permission.
func Subject(stage Stage, cloud string, k Key) string {
	return strings.Join([]string{SubjectRoot, string(stage), escapeToken(cloud), escapeToken(k.Cluster),
		escapeToken(k.Kind), escapeToken(k.Namespace), escapeToken(k.Name)}, ".")
}

// Filter is a subject pattern that selects a stage, and optionally one cloud
// and one cluster of it; an empty string selects all.
func Filter(stage Stage, cloud, cluster string) string {
	token := func(s string) string {
		if s == "" {
			return "*"
		}
		return escapeToken(s)
	}
	st := string(stage)
	if st == "" {
		st = "*"
	}
	return strings.Join([]string{SubjectRoot, st, token(cloud), token(cluster), ">"}, ".")
}

// ParseSubject is the inverse of [Subject].
func ParseSubject(s string) (Stage, string, Key, error) {
	p := strings.Split(s, ".")
	if len(p) != 7 || p[0] != SubjectRoot {
		return "", "", Key{}, fmt.Errorf("subject %q: want %s.<stage>.<cloud>.<cluster>.<kind>.<namespace>.<name>", s, SubjectRoot)
	}
	stage := Stage(p[1])
	if !stage.valid() {
		return "", "", Key{}, fmt.Errorf("subject %q: unknown stage %q", s, p[1])
	}
	var t [5]string
	for i, e := range p[2:] {
		u, err := unescapeToken(e)
		if err != nil {
			return "", "", Key{}, fmt.Errorf("subject %q: %w", s, err)
		}
		t[i] = u
	}
	k := Key{Cluster: t[1], Kind: t[2], Namespace: t[3], Name: t[4]}
	if err := validToken(t[0]); err != nil {
		return "", "", Key{}, fmt.Errorf("subject %q: cloud %w", s, err)
	}
	if err := k.Validate(); err != nil {
		return "", "", Key{}, fmt.Errorf("subject %q: %w", s, err)
	}
	return stage, t[0], k, nil
}

func (s Stage) valid() bool {
	for _, v := range Stages {
		if s == v {
			return true
		}
	}
	return false
}

const hexDigits = "0123456789ABCDEF"

// plain are the bytes that stand for themselves in a token.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func escapeToken(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

// unescapeToken accepts only what escapeToken writes, so that a key has one
// subject and no other.
func unescapeToken(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("token %q ends inside an escape", s)
		}
		hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if hi < 0 || lo < 0 {
			return "", fmt.Errorf("token %q: %q is no escape", s, s[i:i+3])
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	u := b.String()
	if escapeToken(u) != s {
		return "", fmt.Errorf("token %q is not in its one escaped form", s)
	}
	return u, nil
}
