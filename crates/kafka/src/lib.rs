//! Kafka behind Freshet's ports: the source of changes, the outbox, writer schemas from a schema registry. A scan
//! reads a topic for people.

mod client;
#[cfg(feature = "mock")]
pub mod mock;
mod outbox;
mod scan;
mod source;
mod topic_ends;
mod writer_schemas;

pub use client::connection::{KafkaClientError, KafkaConnection};
pub use client::properties::{PropertyError, check_property, is_read, is_secret};
pub use outbox::{EnsureTopicsError, KafkaOutbox, TopicWanted};
pub use scan::KafkaTopicScan;
pub use source::KafkaSource;
pub use source::config::{SourceConfig, StartAt};
pub use topic_ends::KafkaTopicEnds;
pub use writer_schemas::{HttpWriterSchemas, WriterSchemasConfig};
