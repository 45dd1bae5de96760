package freshet.bench;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Response;
import redis.clients.jedis.exceptions.JedisException;

/**
 * Unlinks the keys of a whole put() in one pipeline of multi-key UNLINKs and waits for the answers, so that every
 * offset Connect offers in preCommit() stands behind keys that are gone.
 */
public final class PurgeSinkTask extends SinkTask {
    private static final int KEYS_PER_UNLINK = 512;

    private HostAndPort address;
    private String[] prefixes;
    private Jedis redis;
    private final List<String> keys = new ArrayList<>();

    @Override
    public void start(Map<String, String> settings) {
        address = HostAndPort.from(settings.get("purge.redis"));
        String[] families = settings.get("purge.families").split(",");
        prefixes = new String[families.length];
        for (int at = 0; at < families.length; at++) {
            prefixes[at] = "bench:v1:" + families[at] + ":";
        }
    }

    @Override
    public void put(Collection<SinkRecord> records) {
        keys.clear();
        for (SinkRecord record : records) {
            if (record.value() != null) { // a tombstone follows its delete
                add(record.value());
            }
        }
        if (keys.isEmpty()) {
            return;
        }
        try {
            unlink();
        } catch (JedisException error) {
            close();
            throw new RetriableException(error); // Connect gives the same records again
        }
    }

    @Override
    public Map<TopicPartition, OffsetAndMetadata> preCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
        return offsets; // of records that put() has returned for, which are purged
    }

    @Override
    public void stop() {
        close();
    }

    @Override
    public String version() {
        return "1";
    }

    private void add(Object value) {
        Object before = idOf(field(value, "before"));
        Object after = idOf(field(value, "after"));
        for (String prefix : prefixes) {
            if (after != null) {
                keys.add(prefix + after);
            }
            if (before != null && !before.equals(after)) {
                keys.add(prefix + before);
            }
        }
    }

    /** With a schema the converter gives a Struct, without one a Map. */
    private static Object field(Object value, String name) {
        return value instanceof Struct struct ? struct.get(name) : ((Map<?, ?>) value).get(name);
    }

    private static Object idOf(Object image) {
        return image == null ? null : field(image, "id");
    }

    private void unlink() {
        if (redis == null) {
            redis = new Jedis(address);
        }
        List<Response<Long>> answers = new ArrayList<>();
        Pipeline pipeline = redis.pipelined();
        for (int start = 0; start < keys.size(); start += KEYS_PER_UNLINK) {
            int end = Math.min(start + KEYS_PER_UNLINK, keys.size());
            answers.add(pipeline.unlink(keys.subList(start, end).toArray(String[]::new)));
        }
        pipeline.sync();
        answers.forEach(Response::get); // throws what Redis refused
    }

    private void close() {
        if (redis != null) {
            redis.close();
            redis = null;
        }
    }
}
