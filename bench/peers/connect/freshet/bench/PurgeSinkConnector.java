package freshet.bench;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/** A sink that unlinks what a change touches; see {@link PurgeSinkTask}. */
public final class PurgeSinkConnector extends SinkConnector {
    private Map<String, String> settings;

    @Override
    public void start(Map<String, String> settings) {
        this.settings = settings;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return PurgeSinkTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int tasksMax) {
        return Collections.nCopies(tasksMax, settings);
    }

    @Override
    public void stop() {}

    @Override
    public ConfigDef config() {
        return new ConfigDef()
                .define("purge.redis", ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "host:port")
                .define("purge.families", ConfigDef.Type.LIST, ConfigDef.Importance.HIGH, "names of families");
    }

    @Override
    public String version() {
        return "1";
    }
}
