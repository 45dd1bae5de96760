//! A whole deployment on real servers, for the end-to-end tests.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

pub mod deployment;
pub mod marked;
pub mod origin;
pub mod registry;
pub mod schemas;
pub mod small;
pub mod standard_reader;
pub mod written;
