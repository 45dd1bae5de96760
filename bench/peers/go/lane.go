package main

import (
	"context"
	"fmt"
	"log"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	eventsPerFlight = 1024
	keysPerUnlink   = 512
	// Batches of one partition on their way to Redis at the same time.
	flightsPerLane = 4
)

type settings struct {
	rdb      *redis.Client
	prefixes []string
	avro     bool
	registry string
}

// lane is one partition: it decodes in order, has several batches under way, and marks them in order.
type lane struct {
	settings
	client  *kgo.Client
	fetched chan kgo.FetchTopicPartition
	flights chan *flight
	ended   chan struct{}
	decoder *avroDecoder
}

type lanes struct {
	settings
	of map[int32]*lane
	mu sync.Mutex
}

// take hands a fetched batch to its partition's lane; it waits when the lane is behind, so that memory is bounded.
func (l *lanes) take(client *kgo.Client, p kgo.FetchTopicPartition) {
	l.mu.Lock()
	it := l.of[p.Partition]
	if it == nil {
		it = &lane{
			settings: l.settings, client: client, fetched: make(chan kgo.FetchTopicPartition, 1),
			flights: make(chan *flight, flightsPerLane-1), ended: make(chan struct{}),
			decoder: newAvroDecoder(l.registry),
		}
		l.of[p.Partition] = it
		go it.decode()
		go it.mark()
	}
	l.mu.Unlock()
	it.fetched <- p
}

// revoked lets what is under way end, and commits it, before another member may read the partition.
func (l *lanes) revoked(ctx context.Context, client *kgo.Client, lost map[string][]int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, partitions := range lost {
		for _, partition := range partitions {
			if it := l.of[partition]; it != nil {
				close(it.fetched)
				<-it.ended
				delete(l.of, partition)
			}
		}
	}
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		log.Printf("commit: %v", err)
	}
}

func (l *lane) decode() {
	for p := range l.fetched {
		for records := p.Records; len(records) > 0; {
			n := min(len(records), eventsPerFlight)
			f := spare.Get().(*flight)
			f.reset()
			for _, record := range records[:n] {
				l.add(f, record)
			}
			last := records[n-1]
			f.topic, f.partition = p.Topic, p.Partition
			f.next = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
			for _, record := range records[:n] {
				record.Recycle()
			}
			records = records[n:]
			go f.purge(l.rdb)
			l.flights <- f
		}
	}
	close(l.flights)
}

// add renders the keys of one event.
func (l *lane) add(f *flight, record *kgo.Record) {
	if record.Value == nil {
		return // a tombstone follows its delete
	}
	found, _, err := l.read(record.Value)
	if err != nil {
		log.Printf("%s[%d]@%d: %v", record.Topic, record.Partition, record.Offset, err)
		return
	}
	for _, prefix := range l.prefixes {
		if found.after >= 0 {
			f.add(prefix, found.after)
		}
		if found.before >= 0 && found.before != found.after {
			f.add(prefix, found.before)
		}
	}
}

func (l *lane) read(value []byte) (found images, op byte, err error) {
	if l.avro {
		return l.decoder.decode(value)
	}
	defer func() {
		if cut := recover(); cut != nil {
			err = fmt.Errorf("%w: %v", errNoEnvelope, cut)
		}
	}()
	return scanJSON(value)
}

// mark lets offsets be committed in the order of the log, each only when its keys are gone.
func (l *lane) mark() {
	for f := range l.flights {
		<-f.done
		l.client.MarkCommitOffsets(map[string]map[int32]kgo.EpochOffset{f.topic: {f.partition: f.next}})
		spare.Put(f)
	}
	close(l.ended)
}

// flight is one batch on its way. Its memory is used again.
type flight struct {
	text      []byte
	ends      []int
	keys      []string
	args      []any
	topic     string
	partition int32
	next      kgo.EpochOffset
	done      chan struct{}
}

var spare = sync.Pool{New: func() any { return &flight{done: make(chan struct{}, 1)} }}

func (f *flight) reset() {
	f.text, f.ends, f.keys, f.args = f.text[:0], f.ends[:0], f.keys[:0], f.args[:0]
}

func (f *flight) add(prefix string, id int64) {
	f.text = append(f.text, prefix...)
	f.text = strconv.AppendInt(f.text, id, 10)
	f.ends = append(f.ends, len(f.text))
}

// purge unlinks the keys and does not give up: an offset behind them must not be committed before they are gone.
func (f *flight) purge(rdb *redis.Client) {
	start := 0
	for _, end := range f.ends {
		f.keys = append(f.keys, view(f.text[start:end]))
		start = end
	}
	for wait := 10 * time.Millisecond; len(f.keys) > 0; wait = min(2*wait, time.Second) {
		err := f.unlink(rdb)
		if err == nil {
			break
		}
		log.Printf("redis: %v", err)
		time.Sleep(wait)
	}
	f.done <- struct{}{}
}

func (f *flight) unlink(rdb *redis.Client) error {
	ctx := context.Background()
	pipe := rdb.Pipeline()
	f.args = f.args[:0]
	for at := range f.keys {
		if at%keysPerUnlink == 0 {
			f.args = append(f.args, "unlink")
		}
		// A pointer to a string goes into an interface without an allocation, a string does not.
		f.args = append(f.args, &f.keys[at])
	}
	for start := 0; start < len(f.args); start += keysPerUnlink + 1 {
		end := min(start+keysPerUnlink+1, len(f.args))
		_ = pipe.Process(ctx, redis.NewIntCmd(ctx, f.args[start:end]...))
	}
	_, err := pipe.Exec(ctx)
	return err
}

// view looks at bytes as text; they stay as they are for as long as the text is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// recordPool keeps the slices of records that franz-go decodes into.
type recordPool struct{ pool sync.Pool }

func newPool() *recordPool { return &recordPool{} }

func (p *recordPool) GetRecords(n int) []kgo.Record {
	if kept, ok := p.pool.Get().(*[]kgo.Record); ok && cap(*kept) >= n {
		return (*kept)[:0]
	}
	return make([]kgo.Record, 0, n)
}

func (p *recordPool) PutRecords(records []kgo.Record) { p.pool.Put(&records) }
