package main

import (
	"bytes"
	"errors"
)

// images holds what an event tells: the row's id before and after the change. Absent images are -1.
type images struct{ before, after int64 }

var errNoEnvelope = errors.New("not a change envelope")

// scanJSON reads op, before.id and after.id from Debezium's envelope, with or without a schema around it, and
// steps over everything else without looking inside. Nothing is allocated. The bytes come from Debezium: a
// record that is cut short panics, and the caller turns that into an error.
func scanJSON(b []byte) (found images, op byte, err error) {
	found = images{-1, -1}
	if len(b) == 0 || b[0] != '{' {
		return found, 0, errNoEnvelope
	}
	for i := 1; b[i] != '}'; {
		name, at := nameAt(b, i)
		switch name {
		case "payload":
			return scanJSON(b[at:])
		case "before":
			found.before = idOf(b[at:])
		case "after":
			found.after = idOf(b[at:])
		case "op":
			// Debezium writes op behind the images, so the rest of the record is of no interest.
			return found, b[at+1], nil
		}
		if i = skipValue(b, at); b[i] == ',' {
			i++
		}
	}
	return found, 0, errNoEnvelope
}

func idOf(b []byte) int64 {
	if b[0] != '{' {
		return -1
	}
	for i := 1; b[i] != '}'; {
		name, at := nameAt(b, i)
		if name == "id" {
			var id int64
			for ; b[at] >= '0' && b[at] <= '9'; at++ {
				id = id*10 + int64(b[at]-'0')
			}
			return id
		}
		if i = skipValue(b, at); b[i] == ',' {
			i++
		}
	}
	return -1
}

// nameAt reads the field name whose quote stands at i; the value begins at the returned place.
func nameAt(b []byte, i int) (string, int) {
	end := skipString(b, i+1)
	return view(b[i+1 : end-1]), end + 1
}

func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i+1)
	case '{', '[':
		return skipNested(b, i)
	}
	for b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

func skipNested(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i+1) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// skipString steps over a string whose first character stands at i. Most are a few letters long: only a long
// one is worth the call of the vectorised search.
func skipString(b []byte, i int) int {
	for end := i + 16; i < end; i++ {
		if b[i] == '"' {
			return i + 1
		}
		if b[i] == '\\' {
			i++
		}
	}
	for {
		quote := bytes.IndexByte(b[i:], '"')
		slash := i + quote
		for b[slash-1] == '\\' {
			slash--
		}
		if at := i + quote; (at-slash)%2 == 0 {
			return at + 1
		}
		i += quote + 1
	}
}
