//! Kafka behind Freshet's ports: the source of changes, the outbox, writer schemas from a schema registry. A scan
//! reads a topic for people.

mod anchor;
mod ask;
mod commit;
mod connection;
mod consumer_state;
mod deliver;
mod gap;
mod hold;
mod mend;
#[cfg(feature = "mock")]
pub mod mock;
mod outbox;
mod positions;
mod properties;
mod read;
mod rebalance;
mod renew;
mod scan;
mod source;
mod source_config;
mod stall;
mod topic_ends;
mod unreadable;
mod wake;
mod writer_schemas;

pub use connection::{KafkaClientError, KafkaConnection};
pub use outbox::{EnsureTopicsError, KafkaOutbox, TopicWanted};
pub use properties::{PropertyError, check_property, is_read, is_secret};
pub use scan::{Found, ScanError, StoredRecord, TopicScan};
pub use source::KafkaSource;
pub use source_config::{SourceConfig, StartAt};
pub use topic_ends::KafkaTopicEnds;
pub use writer_schemas::{HttpWriterSchemas, WriterSchemasConfig};
