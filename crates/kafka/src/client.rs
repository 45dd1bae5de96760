//! Common to all clients: settings, requests to the brokers, deliveries, closing in time.

pub(crate) mod ask;
pub(crate) mod close;
pub(crate) mod connection;
pub(crate) mod deliver;
pub(crate) mod partition;
pub(crate) mod properties;
pub(crate) mod wake;
