//! What may come from outside, as functions from bytes. The fuzzer calls them with inputs that it makes up
//! (`make fuzz`), and `tests/corpora.rs` with every input of `corpus/`, in bounded time and memory.
//!
//! A target panics when a parser does, and when what it returns breaks a rule that the target states.

mod answers;
mod configs;
mod ours;
mod records;
mod registries;

/// One target: a parser, or several that read the same bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the folder of its corpus, and of the fuzzer's program.
    pub name: &'static str,
    /// Reads one input.
    pub read: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 12] = [
    Target {
        name: "record_json",
        read: records::json,
    },
    Target {
        name: "record_key",
        read: records::key,
    },
    Target {
        name: "record_avro",
        read: records::avro,
    },
    Target {
        name: "boundary",
        read: records::boundary,
    },
    Target {
        name: "family_file",
        read: registries::family_file,
    },
    Target {
        name: "source_file",
        read: registries::source_file,
    },
    Target {
        name: "template",
        read: registries::template,
    },
    Target {
        name: "our_records",
        read: ours::read,
    },
    Target {
        name: "config",
        read: configs::config,
    },
    Target {
        name: "varnish_answer",
        read: answers::varnish,
    },
    Target {
        name: "fastly_answer",
        read: answers::fastly,
    },
    Target {
        name: "cloudflare_answer",
        read: answers::cloudflare,
    },
];

/// Reads `input` as the target called `name` does.
///
/// # Panics
/// No target is called so, or the input breaks one of its rules.
pub fn read(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let Some(target) = target else {
        panic!("no fuzz target is called {name}");
    };
    (target.read)(input);
}
