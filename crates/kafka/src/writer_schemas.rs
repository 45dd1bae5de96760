//! Avro writer schemas from a schema registry with Confluent's interface: `GET {url}/schemas/ids/{id}`.

use std::io::Read;
use std::time::Duration;

use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_core::secret::Secret;
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use serde::Deserialize;

use crate::connection::KafkaClientError;

/// No schema is larger than this in bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Where the registry is and who we are there.
#[derive(Debug, Clone)]
pub struct WriterSchemasConfig {
    /// Base address, up to where `/schemas` begins.
    pub url: String,
    /// User for basic authentication.
    pub username: Option<String>,
    /// Password for basic authentication.
    pub password: Option<Secret>,
    /// Bearer token.
    pub bearer: Option<Secret>,
    /// An answer takes no longer than this.
    pub timeout: Duration,
}

/// A client behind the [`WriterSchemas`] port. Blocking, for the intake's own thread; it keeps nothing, because
/// the decoder keeps every schema it was given.
#[derive(Debug)]
pub struct HttpWriterSchemas {
    config: WriterSchemasConfig,
    /// Made at the first use: a blocking client must not be made on a runtime's thread.
    client: Option<Client>,
}

#[derive(Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
}

impl HttpWriterSchemas {
    /// A client; the registry need not be there.
    ///
    /// # Errors
    /// The address is not a URL.
    pub fn new(config: WriterSchemasConfig) -> Result<Self, KafkaClientError> {
        reqwest::Url::parse(&config.url)
            .map_err(|error| KafkaClientError::Refused(format!("schema_registry.url: {error}")))?;
        Ok(Self {
            config,
            client: None,
        })
    }

    fn ask(&mut self, id: u32) -> Result<Response, reqwest::Error> {
        let client = match &mut self.client {
            Some(client) => client,
            empty => empty.insert(
                Client::builder()
                    .timeout(self.config.timeout)
                    .connect_timeout(self.config.timeout)
                    // A registry that redirects elsewhere is not the one that was configured.
                    .redirect(reqwest::redirect::Policy::none())
                    .build()?,
            ),
        };
        let mut request = client.get(format!("{}/schemas/ids/{id}", self.config.url));
        if let Some(user) = &self.config.username {
            request = request.basic_auth(user, self.config.password.as_ref().map(Secret::expose));
        }
        if let Some(token) = &self.config.bearer {
            request = request.bearer_auth(token.expose());
        }
        request.send()
    }
}

impl WriterSchemas for HttpWriterSchemas {
    fn fetch(&mut self, id: u32) -> Result<String, WriterSchemaError> {
        let unreachable = |reason: String| WriterSchemaError::Unreachable { id, reason };
        // The address is ours to know; an error's text would repeat it for every record.
        let answer = self
            .ask(id)
            .map_err(|error| unreachable(error.without_url().to_string()))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(WriterSchemaError::Unknown { id }),
            status => return Err(unreachable(format!("it answered {status}"))),
        }
        let mut text = String::new();
        answer
            .take(ANSWER_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| unreachable(error.to_string()))?;
        let parsed: SchemaAnswer = serde_json::from_str(&text)
            .map_err(|error| unreachable(format!("its answer is not understood: {error}")))?;
        match parsed.schema_type.as_deref() {
            None | Some("AVRO") => Ok(parsed.schema),
            // JSON Schema and Protobuf are other wire forms; no Avro schema has this id.
            Some(_) => Err(WriterSchemaError::Unknown { id }),
        }
    }
}
