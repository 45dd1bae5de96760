//! Sizes and names: functions, files, types, ports.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, FnArg, Pat, Signature, Type};

use crate::sources::{RustFile, production_files, rust_files, sample};
use crate::{Offence, assert_tidy};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;
const PARAMETERS_MAX: usize = 4;
const PORT_METHODS_MAX: usize = 3;
/// The shop is there to be copied: whoever reads it must get through. Its tests count.
const SHOP_LINES_MAX: usize = 1_500;

/// Words that say that something is there and not what it is.
const EMPTY_WORDS: [&str; 10] = [
    "manager",
    "handler",
    "helper",
    "service",
    "worker",
    "processor",
    "util",
    "common",
    "types",
    "context",
];

/// Types that stand for a thing of the outside which really is called so (Fastly's sites are services).
const OUTSIDE_NAMES: [&str; 1] = ["ServiceId"];

struct Shapes<'a> {
    path: &'a str,
    /// Types that the file defines.
    defined: BTreeSet<&'a str>,
    /// Inside `impl Trait for …`: the trait decided on the parameters.
    in_trait_impl: bool,
    offences: Vec<Offence>,
}

impl Shapes<'_> {
    fn say(&mut self, span: Span, what: String) {
        self.offences
            .push(Offence::new(self.path, span.start().line, what));
    }

    fn function(&mut self, signature: &Signature, body: Option<&Block>) {
        let name = &signature.ident;
        if let Some(body) = body {
            let first = signature.span().start().line;
            let lines = body.brace_token.span.close().end().line - first + 1;
            if lines > FUNCTION_LINES_MAX {
                self.say(
                    name.span(),
                    format!("{name} has {lines} lines, more than {FUNCTION_LINES_MAX}"),
                );
            }
        }
        let own = |argument: &&FnArg| !matches!(argument, FnArg::Receiver(_));
        let parameters = signature.inputs.iter().filter(own).count();
        if !self.in_trait_impl && parameters > PARAMETERS_MAX {
            self.say(
                name.span(),
                format!("{name} has {parameters} parameters, more than {PARAMETERS_MAX}"),
            );
        }
        if !self.in_trait_impl {
            self.tuples(signature);
        }
    }

    /// What belongs together has a name; what does not is a parameter each.
    fn tuples(&mut self, signature: &Signature) {
        for input in &signature.inputs {
            if let FnArg::Typed(parameter) = input
                && (is_tuple_pattern(&parameter.pat) || is_tuple_type(&parameter.ty))
            {
                self.say(
                    parameter.span(),
                    format!(
                        "{} takes a tuple as a parameter; name what it holds",
                        signature.ident
                    ),
                );
            }
        }
    }

    /// What a type can do of itself stands beside its fields: in another file it would only be there for the length.
    fn scattered(&mut self, of: &Type) {
        if let Type::Path(path) = of
            && let Some(segment) = path.path.segments.last()
            && !self.defined.contains(&&*segment.ident.to_string())
        {
            let what = format!(
                "methods of {} in another file than its fields",
                segment.ident
            );
            self.say(segment.ident.span(), what);
        }
    }

    fn type_name(&mut self, name: &syn::Ident) {
        let text = name.to_string();
        if OUTSIDE_NAMES.contains(&&*text) {
            return;
        }
        if let Some(word) = camel_words(&text).iter().find(|word| is_empty_word(word)) {
            self.say(
                name.span(),
                format!("{text} is named `{word}`, which says nothing"),
            );
        }
    }
}

impl<'ast> Visit<'ast> for Shapes<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, Some(&item.block));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, Some(&item.block));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.sig, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.trait_.is_none() {
            self.scattered(&item.self_ty);
        }
        let outer = std::mem::replace(&mut self.in_trait_impl, item.trait_.is_some());
        visit::visit_item_impl(self, item);
        self.in_trait_impl = outer;
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.type_name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.type_name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.type_name(&item.ident);
        visit::visit_item_type(self, item);
    }
}

fn is_tuple_pattern(pattern: &Pat) -> bool {
    match pattern {
        Pat::Tuple(tuple) => !tuple.elems.is_empty(),
        Pat::Reference(reference) => is_tuple_pattern(&reference.pat),
        Pat::Paren(inner) => is_tuple_pattern(&inner.pat),
        _ => false,
    }
}

/// `()` is none: it holds nothing.
fn is_tuple_type(of: &Type) -> bool {
    match of {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Reference(reference) => is_tuple_type(&reference.elem),
        Type::Paren(inner) => is_tuple_type(&inner.elem),
        _ => false,
    }
}

/// `HTTPServiceId` → `http`, `service`, `id`.
fn camel_words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        let after_lower = at > 0 && !letters[at - 1].is_uppercase();
        let before_lower = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if at > 0 && letter.is_uppercase() && (after_lower || before_lower) {
            words.push(String::new());
        }
        let word = words.last_mut().expect("there is always one");
        word.extend(letter.to_lowercase());
    }
    words
}

fn is_empty_word(word: &str) -> bool {
    EMPTY_WORDS.contains(&word)
        || word
            .strip_suffix('s')
            .is_some_and(|one| EMPTY_WORDS.contains(&one))
}

fn shape_offences(file: &RustFile) -> Vec<Offence> {
    let ast = match syn::parse_file(&file.text) {
        Ok(ast) => ast,
        Err(err) => {
            let what = format!("cannot be parsed: {err}");
            return vec![Offence::new(&file.path, err.span().start().line, what)];
        }
    };
    let mut shapes = Shapes {
        path: &file.path,
        defined: defined(file),
        in_trait_impl: false,
        offences: Vec::new(),
    };
    shapes.visit_file(&ast);
    shapes.offences
}

/// Names behind `struct`, `enum` and the like, also inside macros.
fn defined(file: &RustFile) -> BTreeSet<&str> {
    let words = file
        .text
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let kinds = ["struct", "enum", "union", "type", "trait"];
    let pairs = words.windows(2).filter(|pair| kinds.contains(&pair[0]));
    // A macro that makes a type is given its name, and its parts in braces.
    let given = file.text.lines();
    let given = given.filter_map(|line| line.trim().strip_suffix(" {"));
    pairs.map(|pair| pair[1]).chain(given).collect()
}

/// A file's own name, and the names of the folders it lies in.
fn path_offence(path: &str) -> Option<Offence> {
    let parts = path.trim_end_matches(".rs").split(['/', '_', '-']);
    let word = parts.into_iter().find(|word| is_empty_word(word))?;
    Some(Offence::new(
        path,
        1,
        format!("is named `{word}`, which says nothing"),
    ))
}

fn length_offence(file: &RustFile) -> Option<Offence> {
    let lines = file
        .tests_from
        .map_or(file.text.lines().count(), |tests_from| tests_from - 1);
    let what = format!("{lines} production lines, more than {FILE_LINES_MAX}");
    (lines > FILE_LINES_MAX).then(|| Offence::new(&file.path, FILE_LINES_MAX + 1, what))
}

#[test]
fn functions_and_types_are_small_and_say_what_they_are() {
    assert_tidy(
        "functions and types",
        rust_files().iter().flat_map(shape_offences).collect(),
    );
}

#[test]
fn methods_of_a_type_that_another_file_defines_are_found() {
    let of = |text: &str| shape_offences(&sample("crates/x/src/a.rs", "x", text)).len();
    assert_eq!(of("use b::B; impl B { fn f(&self) {} }"), 1);
    assert_eq!(of("use b::B; impl<'a> b::B<'a> { fn f(&self) {} }"), 1);
    assert_eq!(of("use b::B; impl Clone for B { fn f(&self) {} }"), 0);
    assert_eq!(of("names! { enum B { C } } impl B { fn f(&self) {} }"), 0);
}

#[test]
fn files_are_small_and_say_what_they_hold() {
    let mut offences: Vec<Offence> = production_files()
        .iter()
        .filter_map(length_offence)
        .collect();
    offences.extend(
        rust_files()
            .iter()
            .filter_map(|file| path_offence(&file.path)),
    );
    assert_tidy("files", offences);
}

#[test]
fn the_shop_is_small_enough_to_copy() {
    let of_shop = |file: &&RustFile| file.path.starts_with("examples/shop/");
    let files = rust_files();
    let lines: usize = files
        .iter()
        .filter(of_shop)
        .map(|file| file.text.lines().count())
        .sum();
    assert!(lines > 0, "looked in the wrong place");
    assert!(
        lines <= SHOP_LINES_MAX,
        "examples/shop has {lines} lines of Rust, more than {SHOP_LINES_MAX}: what a user would not write goes into demo/"
    );
}

#[test]
fn ports_have_few_methods() {
    let files = production_files();
    let ports = files
        .iter()
        .find(|file| file.path == "crates/core/src/ports.rs");
    let ports = ports.expect("all ports stand on one page");
    let ast = syn::parse_file(&ports.text).expect("it compiles");
    let traits = ast.items.iter().filter_map(|item| match item {
        syn::Item::Trait(port) => Some(port),
        _ => None,
    });
    let mut offences = Vec::new();
    for port in traits {
        let is_method = |item: &&syn::TraitItem| matches!(item, syn::TraitItem::Fn(_));
        let methods = port.items.iter().filter(is_method).count();
        if methods > PORT_METHODS_MAX {
            let what = format!(
                "{} has {methods} methods, more than {PORT_METHODS_MAX}",
                port.ident
            );
            offences.push(Offence::new(
                &ports.path,
                port.ident.span().start().line,
                what,
            ));
        }
    }
    assert_tidy("ports", offences);
}

#[test]
fn every_limit_bites() {
    let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(69));
    let of = |text: &str| shape_offences(&sample("crates/x/src/a.rs", "x", text)).len();
    assert_eq!(of(&long), 1);
    assert_eq!(
        of(&long.replacen("    g();\n", "", 1)),
        0,
        "70 lines are fine"
    );
    assert_eq!(of(&format!("struct A; impl A {{ {long} }}")), 1);
    assert_eq!(of(&format!("#[cfg(test)] mod tests {{ {long} }}")), 1);
    assert_eq!(of("fn f(a: A, b: B, c: C, d: D, e: E) {}"), 1);
    assert_eq!(
        of("enum A {} impl A { fn f(&self, a: A, b: B, c: C, d: D) {} }"),
        0
    );
    assert_eq!(
        of("trait A { fn f(&self, a: A, b: B, c: C, d: D, e: E); }"),
        1
    );
    assert_eq!(
        of("impl T for A { fn f(&self, a: A, b: B, c: C, d: D, e: E) {} }"),
        0
    );
    for tuple in [
        "fn f((a, b): (A, B)) {}",
        "fn f(&(a, b): &Pair) {}",
        "fn f(pair: (A, B)) {}",
        "struct A; impl A { fn f(&self, pair: &mut (A, B)) {} }",
        "trait A { fn f(&self, pair: &'static (A,)); }",
    ] {
        assert_eq!(of(tuple), 1, "{tuple}");
    }
    for fine in [
        "fn f(a: A, (): ()) {}",
        "fn f(pairs: &[(A, B)], map: BTreeMap<(A, B), C>, each: impl Fn((A, B))) -> (A, B) {}",
        "fn f() { let add = |(a, b): (A, B)| a + b; }",
        "impl T for A { fn f(&self, (a, b): (A, B)) {} }",
    ] {
        assert_eq!(of(fine), 0, "{fine}");
    }
    for name in [
        "LaneManager",
        "FooUtils",
        "Context",
        "HTTPService",
        "WorkerPool",
    ] {
        assert_eq!(of(&format!("struct {name};")), 1, "{name}");
    }
    assert_eq!(
        of("enum Contextual {} struct Typed; impl ConsumerContext for Typed {}"),
        0
    );
    assert!(path_offence("crates/x/src/string_utils.rs").is_some());
    assert!(path_offence("crates/common/src/a.rs").is_some());
    assert!(path_offence("crates/x/src/workers_day.rs").is_some());
    assert!(path_offence("crates/x/src/prototypes.rs").is_none());
    let tests = "#[cfg(test)]\nmod tests {}\n";
    let lines = |count: usize| sample("crates/x/src/a.rs", "x", &("//\n".repeat(count) + tests));
    assert!(length_offence(&lines(FILE_LINES_MAX)).is_none());
    assert!(length_offence(&lines(FILE_LINES_MAX + 1)).is_some());
}
