//! Rust files, and which part of them runs in production.

use std::collections::BTreeSet;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::workspace::{files_below, packages, read};

/// A token of production code, with groups taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A Rust file.
#[derive(Debug)]
pub(crate) struct RustFile {
    /// Below the top.
    pub(crate) path: String,
    /// Name of its package.
    pub(crate) package: String,
    pub(crate) text: String,
    /// Whether any of it runs in production.
    pub(crate) is_production: bool,
    /// Tokens outside `#[cfg(test)]`.
    pub(crate) tokens: Vec<Token>,
    /// Where an inline test module begins.
    pub(crate) tests_from: Option<usize>,
}

/// Every Rust file of the workspace.
pub(crate) fn rust_files() -> Vec<RustFile> {
    let mut files = Vec::new();
    for package in packages() {
        let mut test_modules = BTreeSet::new();
        let mut of_package = Vec::new();
        for path in files_below(&package.folder, ".rs") {
            let (file, modules) = parse(path, &package.name);
            test_modules.extend(modules);
            of_package.push(file);
        }
        for file in &mut of_package {
            file.is_production &= !test_modules
                .iter()
                .any(|module| is_in_module(&file.path, module));
        }
        files.append(&mut of_package);
    }
    files
}

/// Only those that run in production.
pub(crate) fn production_files() -> Vec<RustFile> {
    let mut files = rust_files();
    files.retain(|file| file.is_production);
    files
}

/// A file out of nothing, to test rules with.
pub(crate) fn sample(path: &str, package: &str, text: &str) -> RustFile {
    from_text(path.to_owned(), package, text.to_owned()).0
}

fn parse(path: String, package: &str) -> (RustFile, Vec<String>) {
    let text = read(&path);
    from_text(path, package, text)
}

/// The file, and the paths (without `.rs`) of its modules that are for tests only.
fn from_text(path: String, package: &str, text: String) -> (RustFile, Vec<String>) {
    let stream = TokenStream::from_str(&text).unwrap_or_else(|err| panic!("{path}: {err}"));
    let mut walk = Walk::default();
    walk.stream(stream);
    let folder = module_folder(&path);
    let modules = walk
        .test_modules
        .iter()
        .map(|name| format!("{folder}/{name}"))
        .collect();
    let file = RustFile {
        is_production: !is_test_path(&path),
        package: package.to_owned(),
        tokens: walk.tokens,
        tests_from: walk.tests_from,
        path,
        text,
    };
    (file, modules)
}

/// Where a file's child modules live.
fn module_folder(path: &str) -> String {
    let stem = path.trim_end_matches(".rs");
    match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder.to_owned(),
        _ => stem.to_owned(),
    }
}

fn is_in_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn is_test_path(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

#[derive(Default)]
struct Walk {
    tokens: Vec<Token>,
    test_modules: Vec<String>,
    tests_from: Option<usize>,
}

impl Walk {
    fn stream(&mut self, stream: TokenStream) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            if is_cfg_test(&trees[at..]) {
                at = self.skip_item(&trees, at);
                continue;
            }
            self.tree(&trees[at]);
            at += 1;
        }
    }

    fn tree(&mut self, tree: &TokenTree) {
        let TokenTree::Group(group) = tree else {
            self.push(tree.to_string(), tree.span().start().line);
            return;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.push(open.to_owned(), group.span_open().start().line);
        self.stream(group.stream());
        self.push(close.to_owned(), group.span_close().start().line);
    }

    fn push(&mut self, text: String, line: usize) {
        self.tokens.push(Token { text, line });
    }

    /// Steps over the item behind `#[cfg(test)]`: up to its braces or its semicolon.
    fn skip_item(&mut self, trees: &[TokenTree], start: usize) -> usize {
        let mut module = None;
        for (at, tree) in trees.iter().enumerate().skip(start + 2) {
            match tree {
                TokenTree::Ident(name) if name == "mod" => {
                    module = trees.get(at + 1).map(ToString::to_string);
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    self.test_modules.extend(module);
                    return at + 1;
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    if module.is_some() && self.tests_from.is_none() {
                        self.tests_from = Some(trees[start].span().start().line);
                    }
                    return at + 1;
                }
                _ => {}
            }
        }
        trees.len()
    }
}

fn is_cfg_test(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = trees else {
        return false;
    };
    hash.as_char() == '#' && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

#[test]
fn what_only_tests_see_is_no_production() {
    let text =
        "use a;\n#[cfg(test)]\nmod fake;\nfn f() { g(1) }\n#[cfg(test)]\nmod tests { fn h() {} }\n";
    let (file, modules) = from_text("crates/x/src/foo.rs".to_owned(), "x", text.to_owned());
    let kept: Vec<&str> = file.tokens.iter().map(|token| &*token.text).collect();
    assert_eq!(kept.join(" "), "use a ; fn f ( ) { g ( 1 ) }");
    assert_eq!(modules, ["crates/x/src/foo/fake"]);
    assert_eq!(file.tests_from, Some(5));
    assert!(is_in_module("crates/x/src/foo/fake.rs", &modules[0]));
    assert!(is_in_module("crates/x/src/foo/fake/deep.rs", &modules[0]));
    assert!(!is_in_module("crates/x/src/foo/fakes.rs", &modules[0]));
    assert!(!sample("crates/x/tests/a.rs", "x", "").is_production);
    assert!(!sample("crates/x/src/foo/tests.rs", "x", "").is_production);
    assert!(file.is_production);
}
