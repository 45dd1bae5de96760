//! No two files import each other, however many are in between: each can be read after those that it names.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Item, UseName, UseRename, UseTree, Visibility};

use crate::sources::{RustFile, production_files, sample};
use crate::{Offence, assert_tidy};

/// A module's path below its crate: `["pipeline", "lane"]`; the crate itself is empty.
type Module = Vec<String>;

/// Files by the modules that they are, of one crate.
type Files = BTreeMap<Module, String>;

/// The crate's folder and the module that a file is; none for what is no part of a library or program.
fn module_of(path: &str) -> Option<(String, Module)> {
    let (package, below) = path.split_once("/src/")?;
    let mut module: Module = below
        .strip_suffix(".rs")?
        .split('/')
        .map(str::to_owned)
        .collect();
    match module.first().map(String::as_str) {
        Some("bin") => return None,
        Some("lib" | "main") if module.len() == 1 => module.clear(),
        _ => {}
    }
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    Some((package.to_owned(), module))
}

/// What one file names of its own crate.
struct Names<'f> {
    files: &'f Files,
    /// The module that is being read: the file's, or one inline in it.
    here: Module,
    found: BTreeSet<Module>,
}

impl Names<'_> {
    /// Notes the file that holds what `path` names, seen from here.
    fn name(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let child = [self.here.as_slice(), std::slice::from_ref(first)].concat();
        let mut module = match first.as_str() {
            "crate" => Module::new(),
            "self" => self.here.clone(),
            "super" => self.here[..self.here.len().saturating_sub(1)].to_vec(),
            _ if self.files.contains_key(&child) => child,
            _ => return,
        };
        for step in &path[1..] {
            if step == "super" {
                module.pop();
                continue;
            }
            module.push(step.clone());
            if !self.files.contains_key(&module) {
                module.pop();
                break;
            }
        }
        // What is inline in a file is the file.
        while !self.files.contains_key(&module) && module.pop().is_some() {}
        self.found.insert(module);
    }

    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before);
                }
            }
            UseTree::Name(UseName { ident }) | UseTree::Rename(UseRename { ident, .. }) => {
                before.push(ident.to_string());
                self.name(before);
                before.pop();
            }
            UseTree::Glob(_) => self.name(before),
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let is_test = |attribute: &syn::Attribute| {
            let list = attribute.meta.require_list();
            list.is_ok_and(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
        };
        match item {
            // A name passed on is no use of it.
            Item::Use(item) if !matches!(item.vis, Visibility::Inherited) => {}
            Item::Use(item) => self.tree(&item.tree, &mut Vec::new()),
            Item::Mod(item) if item.attrs.iter().any(is_test) => {}
            Item::Mod(inline) => {
                self.here.push(inline.ident.to_string());
                visit::visit_item_mod(self, inline);
                self.here.pop();
            }
            other => visit::visit_item(self, other),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let steps = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.name(&steps.collect::<Vec<_>>());
        }
        visit::visit_path(self, path);
    }
}

/// Which files of its crate each file names.
fn edges(files: &[&RustFile]) -> BTreeMap<String, BTreeSet<String>> {
    let mut crates: BTreeMap<String, Files> = BTreeMap::new();
    for file in files {
        if let Some((package, module)) = module_of(&file.path) {
            crates
                .entry(package)
                .or_default()
                .insert(module, file.path.clone());
        }
    }
    let mut edges = BTreeMap::new();
    for file in files {
        let Some((package, module)) = module_of(&file.path) else {
            continue;
        };
        let of_crate = &crates[&package];
        let mut names = Names {
            files: of_crate,
            here: module,
            found: BTreeSet::new(),
        };
        let parsed =
            syn::parse_file(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        names.visit_file(&parsed);
        let named = names.found.iter().filter_map(|module| of_crate.get(module));
        let others = named.filter(|other| **other != file.path).cloned();
        edges.insert(file.path.clone(), others.collect());
    }
    edges
}

/// Sets of files that name each other, the largest first.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = edges
        .keys()
        .map(|from| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(at) = next.pop() {
                for to in edges.get(at).into_iter().flatten() {
                    if seen.insert(to) {
                        next.push(to);
                    }
                }
            }
            (from, seen)
        })
        .collect();
    let mut found = BTreeSet::new();
    for (one, reached) in &reach {
        let mutual = reached
            .iter()
            .filter(|other| reach.get(**other).is_some_and(|back| back.contains(*one)));
        let circle: BTreeSet<String> = mutual.map(|file| (*file).clone()).collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    found
}

#[test]
fn no_files_import_each_other() {
    let files = production_files();
    let edges = edges(&files.iter().collect::<Vec<_>>());
    let offences = circles(&edges).into_iter().filter_map(|circle| {
        let what = format!(
            "{} files import each other: {}",
            circle.len(),
            circle.iter().cloned().collect::<Vec<_>>().join(", ")
        );
        Some(Offence::new(circle.first()?, 1, what))
    });
    assert_tidy("no circles of files", offences.collect());
}

#[test]
fn circles_are_found() {
    let file = |path: &str, text: &str| sample(&format!("crates/x/src/{path}.rs"), "x", text);
    let files = [
        file("lib", "mod a; mod b; mod c; pub use a::A;"),
        file("a", "use crate::b::B; mod deep; pub struct A;"),
        file("a/deep", "fn deep() { super::super::c::call() }"),
        file("b", "use crate::c::{self, C}; pub struct B;"),
        file(
            "c",
            "use crate::A; #[cfg(test)] mod tests { use crate::b::B; } fn call() {}",
        ),
    ];
    let files: Vec<&RustFile> = files.iter().collect();
    let named = edges(&files);
    let of = |path: &str| {
        let found = named[&format!("crates/x/src/{path}.rs")].iter();
        found
            .map(|path| path["crates/x/src/".len()..].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("a"), ["b.rs"]);
    assert_eq!(of("a/deep"), ["c.rs"]);
    assert_eq!(of("b"), ["c.rs"]);
    // Through the crate's own list of names: no circle, since that list uses nothing.
    assert_eq!(of("c"), ["lib.rs"]);
    assert_eq!(circles(&named), []);
    let both = [
        file("lib", "mod a; mod b;"),
        file("a", "use crate::b::B;"),
        file("b", "fn b() { crate::a::a() }"),
    ];
    let both: Vec<&RustFile> = both.iter().collect();
    assert_eq!(circles(&edges(&both)).len(), 1);
}
