//! What every client needs: settings, questions to the brokers, deliveries, an end in time.

pub(crate) mod ask;
pub(crate) mod close;
pub(crate) mod connection;
pub(crate) mod deliver;
pub(crate) mod partition;
pub(crate) mod properties;
pub(crate) mod wake;
