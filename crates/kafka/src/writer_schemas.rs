//! Avro writer schemas from a schema registry with Confluent's interface: `GET {url}/schemas/ids/{id}`.

use std::time::Duration;

use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_core::secret::Secret;
use reqwest::{Client, StatusCode};
use serde::Deserialize;

use crate::client::connection::KafkaClientError;

/// Address and credentials of the registry.
#[derive(Debug, Clone)]
pub struct WriterSchemasConfig {
    /// Base URL, without `/schemas`.
    pub url: String,
    /// User for basic authentication.
    pub username: Option<String>,
    /// Password for basic authentication.
    pub password: Option<Secret>,
    /// Bearer token.
    pub bearer: Option<Secret>,
    /// Timeout of a request with its complete response.
    pub timeout: Duration,
    /// Maximum size of a response in bytes. A table of 4096 columns takes 600 000.
    pub answer_bytes_max: usize,
}

/// A client behind the [`WriterSchemas`] port. It has no cache, because the decoder caches schemas.
#[derive(Debug)]
pub struct HttpWriterSchemas {
    config: WriterSchemasConfig,
    client: Client,
}

#[derive(Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
}

/// Error body of a registry for an unknown schema. A 404 without it is not from a schema registry.
#[derive(Deserialize)]
struct RefusalAnswer {
    error_code: u32,
}

/// Registries number their refusals by the status: 40403 is "schema not found".
const NOT_FOUND_CODES: std::ops::Range<u32> = 40_400..40_500;

/// A response within the limits.
struct Answer {
    status: StatusCode,
    text: Vec<u8>,
}

/// Why there is no response.
enum NoAnswer {
    TooLarge,
    Failed(String),
}

impl HttpWriterSchemas {
    /// A client; the registry need not be available.
    ///
    /// # Errors
    /// The address is not a URL, or the machine has no TLS roots.
    pub fn new(config: WriterSchemasConfig) -> Result<Self, KafkaClientError> {
        reqwest::Url::parse(&config.url)
            .map_err(|error| KafkaClientError::Refused(format!("schema_registry.url: {error}")))?;
        let client = Client::builder()
            // Each request has its own runtime, so its connection ends with it.
            .pool_max_idle_per_host(0)
            // A redirection leads to a registry that was not configured.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| KafkaClientError::Refused(format!("schema_registry: {error}")))?;
        Ok(Self { config, client })
    }

    async fn ask(&self, id: u32) -> Result<Answer, NoAnswer> {
        // The address is known from the config; the error message would repeat it for every record.
        let failed = |error: reqwest::Error| NoAnswer::Failed(error.without_url().to_string());
        let mut request = self
            .client
            .get(format!("{}/schemas/ids/{id}", self.config.url));
        if let Some(user) = &self.config.username {
            request = request.basic_auth(user, self.config.password.as_ref().map(Secret::expose));
        }
        if let Some(token) = &self.config.bearer {
            request = request.bearer_auth(token.expose());
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if text.len() + chunk.len() > self.config.answer_bytes_max {
                return Err(NoAnswer::TooLarge);
            }
            text.extend_from_slice(&chunk);
        }
        Ok(Answer { status, text })
    }

    /// Waits for the complete response until the timeout.
    fn ask_in_time(&self, id: u32) -> Result<Answer, NoAnswer> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| NoAnswer::Failed(error.to_string()))?;
        let within = self.config.timeout;
        let answer = runtime.block_on(async { tokio::time::timeout(within, self.ask(id)).await });
        // A pending DNS lookup must not block the thread.
        runtime.shutdown_background();
        answer.unwrap_or_else(|_| {
            let within = within.as_millis();
            Err(NoAnswer::Failed(format!(
                "no complete response within {within} ms"
            )))
        })
    }
}

impl WriterSchemas for HttpWriterSchemas {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        let unreachable = |reason: String| WriterSchemaError::Unreachable { id, reason };
        let unusable = |reason: String| WriterSchemaError::Unusable { id, reason };
        let Answer { status, text } = match self.ask_in_time(id) {
            Ok(answer) => answer,
            Err(NoAnswer::TooLarge) => {
                let bytes_max = self.config.answer_bytes_max;
                return Err(unusable(format!("it is larger than {bytes_max} bytes")));
            }
            Err(NoAnswer::Failed(reason)) => return Err(unreachable(reason)),
        };
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                let refusal = serde_json::from_slice::<RefusalAnswer>(&text);
                return Err(match refusal {
                    Ok(it) if NOT_FOUND_CODES.contains(&it.error_code) => {
                        WriterSchemaError::Unknown { id }
                    }
                    _ => unreachable(format!(
                        "it answered {status}, which is not a schema registry's response"
                    )),
                });
            }
            status => return Err(unreachable(format!("it answered {status}"))),
        }
        let parsed: SchemaAnswer = serde_json::from_slice(&text)
            .map_err(|_| unreachable("its response cannot be parsed".to_owned()))?;
        match parsed.schema_type.as_deref() {
            None | Some("AVRO") => Ok(parsed.schema),
            // JSON Schema and Protobuf are other wire forms; no Avro schema has this id.
            Some(_) => Err(WriterSchemaError::Unknown { id }),
        }
    }
}
