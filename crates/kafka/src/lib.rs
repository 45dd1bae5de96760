//! Kafka behind Freshet's ports: the source of changes, the outbox, writer schemas from a schema registry.

mod anchor;
mod commit;
mod connection;
mod consumer_state;
mod gap;
mod mend;
#[cfg(feature = "mock")]
pub mod mock;
mod outbox;
mod positions;
mod rebalance;
mod source;
mod source_config;
mod writer_schemas;

pub use connection::{KafkaConfigError, KafkaConnection};
pub use outbox::{EnsureTopicsError, KafkaOutbox, TopicWanted};
pub use source::KafkaSource;
pub use source_config::{SourceConfig, StartAt};
pub use writer_schemas::{HttpWriterSchemas, WriterSchemasConfig};
