//! One Kafka broker in KRaft mode.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use anyhow::{Result, anyhow};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::artefacts::Artefact;
use crate::port::{PortLease, lease_port};
use crate::process::{Launch, command, run, server_folder, wait_until};
use crate::server::{Server, is_a_server};

/// Any base64 of 16 bytes will do; each broker is a cluster of its own.
const CLUSTER_ID: &str = "ZnJlc2hldC10ZXN0YmVkMA";

/// Plenty for a record of any size we send; long, since the machine may be busy.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Small heaps and a quick compiler: start time counts for more than throughput here.
pub(crate) const JVM_ARGS: [&str; 3] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
];

/// What a virtual machine needs to write into `folder` only; unpacked libraries and caches of one that is killed would
/// stay in the temporary folder of all.
pub(crate) fn jvm_folder(folder: &Path) -> [String; 2] {
    [
        format!("-Djava.io.tmpdir={}", folder.display()),
        "-XX:-UsePerfData".to_owned(),
    ]
}

/// A single broker, which is its own controller. Topics that appear by use have 3 partitions.
#[derive(Debug)]
pub struct KafkaBroker {
    server: Server,
    _controller_port: PortLease,
}

is_a_server!(KafkaBroker);

impl KafkaBroker {
    /// Starts one with default settings.
    ///
    /// # Errors
    /// When the artefacts cannot be fetched or the broker is not ready in time.
    pub fn start() -> Result<KafkaBroker> {
        KafkaBroker::start_with(&[])
    }

    /// Starts one with more lines of `server.properties`; later ones win.
    ///
    /// # Errors
    /// When the artefacts cannot be fetched or the broker is not ready in time.
    pub fn start_with(extra: &[(&str, &str)]) -> Result<KafkaBroker> {
        let quick = [&JVM_ARGS[..], &["-Xmx512m"]].concat();
        KafkaBroker::start_with_jvm(&quick, extra)
    }

    /// The same with arguments of the virtual machine's own instead of those that make it start quickly: where its
    /// speed matters.
    ///
    /// # Errors
    /// When the artefacts cannot be fetched or the broker is not ready in time.
    pub fn start_with_jvm(jvm: &[&str], extra: &[(&str, &str)]) -> Result<KafkaBroker> {
        let lib = Artefact::Kafka.fetch()?;
        let folder = server_folder("kafka")?;
        let port = lease_port()?;
        let controller_port = lease_port()?;
        let properties = folder.path().join("server.properties");
        let mut text = server_properties(&port, &controller_port, folder.path());
        for (name, value) in extra {
            text.push_str(&format!("{name}={value}\n"));
        }
        fs::write(&properties, text)?;
        let log4j = write_log_config(folder.path())?;
        let mut format = command("java", None);
        format
            .args(JVM_ARGS)
            .args(jvm_folder(folder.path()))
            .arg(log4j.clone())
            .args(class_path(&lib));
        format.args([
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            "-t",
            CLUSTER_ID,
            "-c",
        ]);
        format.arg(&properties);
        run(format)?;
        let mut args: Vec<String> = jvm.iter().map(|&arg| arg.to_owned()).collect();
        args.extend(jvm_folder(folder.path()));
        args.push(log4j);
        args.extend(class_path(&lib));
        args.extend(["kafka.Kafka".to_owned(), properties.display().to_string()]);
        let launch = Launch {
            name: "kafka",
            program: "java".into(),
            args,
            user: None,
            folder: folder.path().to_owned(),
            quits_politely: false,
        };
        let address = port.address();
        let ready = move || Ok(answers(&address));
        Ok(KafkaBroker {
            server: Server::start(launch, port, folder, ready)?,
            _controller_port: controller_port,
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn bootstrap(&self) -> String {
        self.address()
    }

    /// Creates a topic and waits until clients see its partitions.
    ///
    /// # Errors
    /// When the broker refuses, also because the topic is already there.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        self.create_topic_with(name, partitions, &[])
    }

    /// The same with settings of the topic, such as `("cleanup.policy", "compact")`.
    ///
    /// # Errors
    /// When the broker refuses, also because the topic is already there.
    pub fn create_topic_with(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let admin = self.admin()?;
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        let outcomes = block_on(admin.create_topics([&topic], &admin_options()))?;
        first_refusal("create", outcomes)?;
        let expected = usize::try_from(partitions)?;
        self.wait_for_partitions(name, expected)
    }

    /// Deletes a topic and waits until clients no longer see it.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let outcomes = block_on(self.admin()?.delete_topics(&[name], &admin_options()))?;
        first_refusal("delete", outcomes)?;
        self.wait_for_partitions(name, 0)
    }

    /// Deletes the records of a partition that stand before an offset, as retention does.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(before))?;
        let answer = block_on(self.admin()?.delete_records(&offsets, &admin_options()))?;
        for element in answer.elements() {
            element.error()?;
        }
        Ok(())
    }

    /// Deletes a consumer group with its offsets. It must have no members.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete_group(&self, group: &str) -> Result<()> {
        let outcomes = block_on(self.admin()?.delete_groups(&[group], &admin_options()))?;
        first_refusal("delete", outcomes)
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .create()?)
    }

    /// Asks for all topics: asking for one by name would create it.
    fn wait_for_partitions(&self, topic: &str, expected: usize) -> Result<()> {
        let consumer = plain_consumer(&self.bootstrap())?;
        wait_until(
            &format!("topic {topic} to have {expected} partitions"),
            ADMIN_TIMEOUT,
            || {
                let metadata = consumer.fetch_metadata(None, ADMIN_TIMEOUT)?;
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                Ok(found.map_or(0, |found| found.partitions().len()) == expected)
            },
        )
    }
}

fn server_properties(port: &PortLease, controller: &PortLease, folder: &Path) -> String {
    let (broker, controller) = (port.address(), controller.address());
    let data = folder.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
listeners=PLAINTEXT://{broker},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{broker},CONTROLLER://{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
num.partitions=3
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
",
        data = data.display()
    )
}

/// Writes a log configuration and returns the JVM argument that names it.
pub(crate) fn write_log_config(folder: &Path) -> Result<String> {
    let file = folder.join("log4j2.properties");
    fs::write(
        &file,
        "appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %-5p %c{1} %m%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
",
    )?;
    Ok(format!("-Dlog4j2.configurationFile={}", file.display()))
}

pub(crate) fn class_path(lib: &Path) -> [String; 2] {
    ["-cp".to_owned(), format!("{}/*", lib.display())]
}

pub(crate) fn plain_consumer(bootstrap: &str) -> Result<BaseConsumer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        // Never joins the group: partitions are always assigned by hand.
        .set("group.id", "freshet-testbed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.max.ms", "200")
        .set("fetch.wait.max.ms", "20")
        .set("log_level", "2")
        .create()?)
}

/// A broker that answers but is fenced has no brokers in its metadata.
fn answers(address: &str) -> bool {
    if std::net::TcpStream::connect(address).is_err() {
        return false;
    }
    let metadata = plain_consumer(address)
        .and_then(|consumer| Ok(consumer.fetch_metadata(None, Duration::from_secs(5))?));
    metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
}

fn admin_options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(ADMIN_TIMEOUT))
        .request_timeout(Some(ADMIN_TIMEOUT))
}

fn first_refusal(
    verb: &str,
    outcomes: Vec<Result<String, (String, RDKafkaErrorCode)>>,
) -> Result<()> {
    for outcome in outcomes {
        outcome.map_err(|(topic, code)| anyhow!("{verb} {topic}: {code}"))?;
    }
    Ok(())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The admin client answers from a thread of its own, so parking until woken needs no runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Writes a Java properties file.
pub(crate) fn write_properties<'a>(
    file: PathBuf,
    lines: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<PathBuf> {
    let text: String = lines
        .map(|(name, value)| format!("{name}={}\n", value.replace('\\', "\\\\")))
        .collect();
    fs::write(&file, text)?;
    Ok(file)
}
