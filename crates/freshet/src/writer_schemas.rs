//! Writer schemas for the intake: from the configured schema registry, or from nowhere.

use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_kafka::HttpWriterSchemas;

use crate::config::Config;

/// Writer schemas from the configured registry, or none.
#[derive(Debug)]
pub(crate) enum AnyWriterSchemas {
    Http(Box<HttpWriterSchemas>),
    None,
}

impl AnyWriterSchemas {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(match &config.schema_registry {
            Some(registry) => Self::Http(Box::new(HttpWriterSchemas::new(registry.clone())?)),
            None => Self::None,
        })
    }
}

impl WriterSchemas for AnyWriterSchemas {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        match self {
            Self::Http(schemas) => schemas.fetch(id),
            Self::None => Err(WriterSchemaError::NotConfigured { id }),
        }
    }
}
