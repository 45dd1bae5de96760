// Command peer-go purges Redis from Debezium's changes, as somebody would write it who knows Go, franz-go and
// go-redis well and cares for nothing else: what Freshet is measured against.
package main

import (
	"context"
	"log"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	log.SetFlags(0)
	env := func(name string) string { return os.Getenv("BENCH_" + name) }
	rdb := redis.NewClient(&redis.Options{
		Addr: env("REDIS"), PoolSize: 64, MinIdleConns: 4, MaxRetries: 3,
		WriteTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		ReadBufferSize: 32 << 10, WriteBufferSize: 64 << 10,
	})
	settings := settings{rdb: rdb, avro: env("FORM") == "avro", registry: env("REGISTRY")}
	for _, family := range strings.Split(env("FAMILIES"), ",") {
		settings.prefixes = append(settings.prefixes, "bench:v1:"+family+":")
	}
	lanes := lanes{settings: settings, of: map[int32]*lane{}}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(env("BOOTSTRAP")),
		kgo.ConsumerGroup(env("GROUP")),
		kgo.ConsumeTopics(env("TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxBytes(8<<20),
		kgo.FetchMaxPartitionBytes(2<<20),
		kgo.SessionTimeout(10*time.Second),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(lanes.revoked),
		kgo.OnPartitionsLost(lanes.revoked),
		// Records are slices of the fetched buffer and are handed back when purged.
		kgo.WithPools(newPool()),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for {
		fetches := client.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			log.Printf("fetch %s[%d]: %v", topic, partition, err)
		})
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) > 0 {
				lanes.take(client, p)
			}
		})
		client.AllowRebalance()
	}
}
