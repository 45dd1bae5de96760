//! Closes a client in time.

use std::time::Duration;

/// Closes a client within `within`: if brokers are unavailable, librdkafka may take its session timeout or
/// longer.
pub(crate) fn in_time(within: Duration, close: impl FnOnce() + Send + 'static) {
    let (done, closed) = std::sync::mpsc::sync_channel(1);
    let closing = std::thread::Builder::new()
        .name("kafka close".to_owned())
        .spawn(move || {
            close();
            let _ = done.send(());
        });
    if closing.is_ok() && closed.recv_timeout(within).is_err() {
        tracing::warn!(
            within_ms = within.as_millis() as u64,
            "kafka client did not close in time, leaving it open"
        );
    }
}
