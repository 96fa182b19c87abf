//! The files of the emulator form layers: no file imports, directly or through others, a file that
//! imports it.
//!
//! The source is read as text, so that every feature and platform is covered. Comments and literals
//! are skipped. `mod` items are not imports. A re-export is not an import either: a path through it
//! counts as an import of the file that defines the item.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The longest file that is allowed.
const MAX_LINES: usize = 500;

#[test]
fn no_file_imports_a_file_that_imports_it() {
    let files = sources();
    let graph = graph(&files);
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 50, "the imports are not found");
    if let Some(cycle) = cycle(&graph) {
        panic!("files import each other in a cycle: {}", cycle.join(" -> "));
    }
}

#[test]
fn no_file_is_too_long() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{file} has {lines} lines; the maximum is {MAX_LINES}");
    }
}

/// Three layers, with re-exports, a macro, and paths of every form.
fn layered() -> BTreeMap<String, String> {
    files(&[
        ("lib.rs", "mod a; mod b; mod c;\npub use a::{Top, helper};\nuse b as middle;"),
        ("a.rs", "use super::b::{self, Middle as M};\nfn f() { crate::c::x::leaf(); }"),
        (
            "b.rs",
            "// use super::a::Top;\nconst TEXT: &str = \"crate::a\";\nuse crate::c::{x, Leaf};",
        ),
        ("c/mod.rs", "mod x; mod y;\npub(crate) use x::Leaf;"),
        ("c/x.rs", "macro_rules! m { () => { $crate::c::y::low() } }\nmod tests { use super::*; }"),
        ("c/y.rs", "/* crate::a */ use std::fmt;"),
    ])
}

#[test]
fn imports_are_found_in_paths_groups_macros_and_through_re_exports() {
    let graph = graph(&layered());
    let imports = |file: &str| graph[file].iter().map(|to| &**to).collect::<Vec<_>>();
    assert_eq!(imports("lib.rs"), ["b.rs"]);
    assert_eq!(imports("a.rs"), ["b.rs", "c/x.rs"]);
    assert_eq!(imports("b.rs"), ["c/x.rs"]);
    assert_eq!(imports("c/mod.rs"), [""; 0]);
    assert_eq!(imports("c/x.rs"), ["c/y.rs"]);
    assert_eq!(imports("c/y.rs"), [""; 0]);
    assert_eq!(cycle(&graph), None);
}

#[test]
fn a_planted_cycle_is_detected() {
    let planted = [
        // Two files; through a third one; through a re-export; parent and child.
        ("b.rs", "use super::a::Top;", &["a.rs", "b.rs", "a.rs"][..]),
        ("c/y.rs", "fn f() { crate::b::Middle::new(); }", &["b.rs", "c/x.rs", "c/y.rs", "b.rs"]),
        ("c/x.rs", "use crate::Top;", &["a.rs", "b.rs", "c/x.rs", "a.rs"]),
        ("b.rs", "use crate::LIMIT;", &["b.rs", "lib.rs", "b.rs"]),
    ];
    for (file, text, expected) in planted {
        let mut files = layered();
        files.insert(file.to_owned(), format!("{}\n{text}", files[file]));
        assert_eq!(cycle(&graph(&files)).expect("a cycle"), expected, "{file}: {text}");
    }
}

fn files(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    texts.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

/// The text of every file of the library, by its path in `src`.
fn sources() -> BTreeMap<String, String> {
    fn read(root: &Path, folder: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("the folder is readable") {
            let path = entry.expect("the entry is readable").path();
            if path.is_dir() {
                read(root, &path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("the file is readable");
                let file = path.strip_prefix(root).expect("it is below the root");
                out.insert(file.to_str().expect("the path is text").replace('\\', "/"), text);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut out = BTreeMap::new();
    read(&root, &root, &mut out);
    // The program is a crate of its own.
    out.remove("main.rs");
    out
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// A path in the source, from the root of the crate.
type Item = Vec<String>;

/// The files that each file imports.
fn graph(files: &BTreeMap<String, String>) -> Graph {
    let modules = files.keys().map(|file| (module_of(file), file.clone())).collect();
    let read = files.iter().map(|(file, text)| (file, uses(&module_of(file), text, &modules)));
    let read = read.collect::<BTreeMap<_, _>>();
    let re_exports = read.values().flat_map(|uses| uses.re_exports.clone()).collect();
    let graph = read.iter().map(|(file, uses)| {
        let imports = uses.imports.iter().map(|item| definer(item, &modules, &re_exports));
        ((*file).clone(), imports.filter(|to| to != *file).collect())
    });
    graph.collect()
}

/// `a/b.rs` is `a::b`, `a/mod.rs` is `a`, and `lib.rs` is the root.
fn module_of(file: &str) -> Item {
    let path = file.trim_end_matches(".rs").trim_end_matches("mod").trim_end_matches('/');
    path.split('/').filter(|name| !name.is_empty() && *name != "lib").map(str::to_owned).collect()
}

/// The file that defines an item.
fn definer(
    item: &[String],
    modules: &BTreeMap<Item, String>,
    re_exports: &BTreeMap<Item, Item>,
) -> String {
    for end in 0..=item.len() {
        if let Some(target) = re_exports.get(&item[..end]) {
            let target = [&**target, &item[end..]].concat();
            return definer(&target, modules, re_exports);
        }
    }
    let mut ends = (0..=item.len()).rev();
    ends.find_map(|end| modules.get(&item[..end])).expect("the root is a module").clone()
}

/// The items that a file names.
#[derive(Default)]
struct Uses {
    imports: Vec<Item>,
    /// Where a re-exported item comes from.
    re_exports: BTreeMap<Item, Item>,
}

/// Reads the items that the file of a module names.
fn uses(module: &[String], text: &str, modules: &BTreeMap<Item, String>) -> Uses {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).copied().unwrap_or_default();
    let (mut uses, mut here) = (Uses::default(), module.to_vec());
    // Whether each open brace is the one of an inline module.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match token(at) {
            "{" => {
                let is_module = at >= 2 && token(at - 2) == "mod";
                if is_module {
                    here.push(token(at - 1).to_owned());
                }
                braces.push(is_module);
            }
            "}" if braces.pop() == Some(true) => {
                here.pop();
            }
            "use" => {
                let mut items = Vec::new();
                let before = at.checked_sub(1).map(token).unwrap_or_default();
                at = read_tree(&tokens, at + 1, &here, modules, &mut items);
                for (item, name) in items {
                    // `pub` or the end of `pub(super)`.
                    if ["pub", ")"].contains(&before) {
                        uses.re_exports.insert([&*here, &[name]].concat(), item);
                    } else {
                        uses.imports.push(item);
                    }
                }
                continue;
            }
            // A path, and not the visibility `pub(crate)`.
            "crate" | "super" | "self" if token(at + 1) == "::" => {
                let mut items = Vec::new();
                at = read_tree(&tokens, at, &here, modules, &mut items);
                uses.imports.extend(items.into_iter().map(|(item, _)| item));
                continue;
            }
            // A path that begins with a child module.
            name if token(at + 1) == "::" && (at == 0 || token(at - 1) != "::") => {
                let child = [&*here, &[name.to_owned()]].concat();
                if modules.contains_key(&child) {
                    uses.imports.push(child);
                }
            }
            _ => {}
        }
        at += 1;
    }
    uses
}

/// Reads a path or a tree of paths in the module `here`: the items in the crate, each with the name
/// that it has there. Returns where the tree ends.
fn read_tree(
    tokens: &[&str],
    mut at: usize,
    here: &[String],
    modules: &BTreeMap<Item, String>,
    out: &mut Vec<(Item, String)>,
) -> usize {
    let mut path = here.to_vec();
    let mut is_first = true;
    loop {
        match tokens.get(at).copied().unwrap_or_default() {
            "$" => {
                at += 1;
                continue;
            }
            "crate" => path.clear(),
            "super" => drop(path.pop()),
            "self" => {}
            "*" => path.push("*".to_owned()),
            "{" => {
                at += 1;
                while !["}", ""].contains(&tokens.get(at).copied().unwrap_or_default()) {
                    if tokens[at] == "," {
                        at += 1;
                    } else if is_first {
                        at = read_tree(tokens, at, here, modules, out);
                    } else {
                        at = read_tail(tokens, at, &path, out);
                    }
                }
                return at + 1;
            }
            name if name.starts_with(is_word) => {
                let child = [&*path, &[name.to_owned()]].concat();
                // Without `crate`, `super` or `self`: a child module, or another crate.
                if is_first && !modules.contains_key(&child) {
                    return skip(tokens, at);
                }
                path = child;
            }
            _ => return at,
        }
        is_first = false;
        at += 1;
        if tokens.get(at) != Some(&"::") {
            return finish(tokens, at, path, out);
        }
        at += 1;
    }
}

/// Reads what is below `path` in a group.
fn read_tail(
    tokens: &[&str],
    mut at: usize,
    path: &[String],
    out: &mut Vec<(Item, String)>,
) -> usize {
    let mut path = path.to_vec();
    loop {
        match tokens.get(at).copied().unwrap_or_default() {
            "super" => drop(path.pop()),
            "self" => {}
            "{" => {
                at += 1;
                while !["}", ""].contains(&tokens.get(at).copied().unwrap_or_default()) {
                    at = if tokens[at] == "," { at + 1 } else { read_tail(tokens, at, &path, out) };
                }
                return at + 1;
            }
            name => path.push(name.to_owned()),
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            return finish(tokens, at, path, out);
        }
        at += 1;
    }
}

/// Adds an item, under its name or the one after `as`; returns where it ends.
fn finish(tokens: &[&str], at: usize, item: Item, out: &mut Vec<(Item, String)>) -> usize {
    let name = item.last().cloned().unwrap_or_default();
    if tokens.get(at) == Some(&"as") {
        out.push((item, tokens.get(at + 1).copied().unwrap_or_default().to_owned()));
        return at + 2;
    }
    out.push((item, name));
    at
}

/// Where a tree of paths into another crate ends.
fn skip(tokens: &[&str], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        match *token {
            "{" => depth += 1,
            "}" | "," | ";" | ")" if depth == 0 => return at,
            "}" => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// A cycle of imports, from a file back to itself.
fn cycle(graph: &Graph) -> Option<Vec<&str>> {
    fn visit<'g>(
        graph: &'g Graph,
        file: &'g str,
        path: &mut Vec<&'g str>,
        done: &mut BTreeSet<&'g str>,
    ) -> Option<Vec<&'g str>> {
        if let Some(start) = path.iter().position(|earlier| *earlier == file) {
            return Some([&path[start..], &[file]].concat());
        }
        if !done.insert(file) {
            return None;
        }
        path.push(file);
        let found = graph[file].iter().find_map(|to| visit(graph, to, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|file| visit(graph, file, &mut Vec::new(), &mut done))
}

/// The words and signs of a Rust text, without comments and literals.
fn tokens(text: &str) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (length, is_token) = match first {
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            _ if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |at| at + 2), false),
            '"' => (string(rest), false),
            'r' if rest.starts_with("r\"") => {
                (rest[2..].find('"').map_or(rest.len(), |at| at + 3), false)
            }
            'r' if rest.starts_with("r#\"") => {
                (rest.find("\"#").map_or(rest.len(), |at| at + 2), false)
            }
            '\'' => (character(rest), false),
            _ if word > 0 => (word, true),
            _ if rest.starts_with("::") => (2, true),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        if is_token {
            out.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a string literal.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of a character literal, or of the tick of a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.chars().skip(1);
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => text[3..].find('\'').map_or(text.len(), |at| at + 4),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 1,
    }
}
