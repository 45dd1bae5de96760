package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hamba/avro/v2"
)

// partial names the fields that are needed; hamba/avro compiles the rest of the writer schema into skips.
type partial struct {
	Before *partialRow `avro:"before"`
	After  *partialRow `avro:"after"`
	Op     string      `avro:"op"`
}

type partialRow struct {
	ID int64 `avro:"id"`
}

// avroDecoder reads Confluent framing. One per goroutine: it keeps the last schema and the struct it fills.
type avroDecoder struct {
	registry string
	id       uint32
	schema   avro.Schema
	api      avro.API
	reader   *avro.Reader
	// Kept, so that pointers are filled again instead of allocated again.
	value partial
}

func newAvroDecoder(registry string) *avroDecoder {
	api := avro.DefaultConfig
	return &avroDecoder{registry: registry, api: api, reader: avro.NewReader(nil, 0, avro.WithReaderConfig(api))}
}

func (d *avroDecoder) decode(b []byte) (images, byte, error) {
	found := images{-1, -1}
	if len(b) < 5 || b[0] != 0 {
		return found, 0, errNoEnvelope
	}
	if id := binary.BigEndian.Uint32(b[1:]); d.schema == nil || id != d.id {
		if err := d.fetch(id); err != nil {
			return found, 0, err
		}
	}
	d.reader.Reset(b[5:])
	d.reader.ReadVal(d.schema, &d.value)
	if d.reader.Error != nil || d.value.Op == "" {
		return found, 0, fmt.Errorf("avro: %w", d.reader.Error)
	}
	if d.value.Before != nil {
		found.before = d.value.Before.ID
	}
	if d.value.After != nil {
		found.after = d.value.After.ID
	}
	return found, d.value.Op[0], nil
}

func (d *avroDecoder) fetch(id uint32) error {
	answer, err := http.Get(fmt.Sprintf("%s/schemas/ids/%d", d.registry, id))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var body struct{ Schema string }
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return err
	}
	schema, err := avro.Parse(body.Schema)
	if err != nil {
		return err
	}
	d.id, d.schema = id, schema
	return nil
}
