package main

import "testing"

func TestScanJSON(t *testing.T) {
	images := func(json string) (int64, int64, byte) {
		found, op, err := scanJSON([]byte(json))
		if err != nil {
			t.Fatal(json, err)
		}
		return found.before, found.after, op
	}
	row := `{"name":"a \"quoted\\\\\" text longer than sixteen bytes \\","tags":[{"id":9},"]"],"id":41,"x":null}`
	for _, c := range []struct {
		json          string
		before, after int64
		op            byte
	}{
		{`{"before":null,"after":` + row + `,"op":"c"}`, -1, 41, 'c'},
		{`{"before":` + row + `,"after":{"id":7},"source":{"op":"no"},"op":"u","ts_ms":1}`, 41, 7, 'u'},
		{`{"schema":{"fields":[{"field":"op"}]},"payload":{"before":{"id":3},"after":null,"op":"d"}}`, 3, -1, 'd'},
	} {
		if before, after, op := images(c.json); before != c.before || after != c.after || op != c.op {
			t.Error(c.json, before, after, string(op))
		}
	}
}
